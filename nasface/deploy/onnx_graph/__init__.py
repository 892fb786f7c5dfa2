"""ONNX graphs: the recorded network, anchors, decoding and suppression behind it."""

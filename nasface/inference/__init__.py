"""From images to detections: loading, test-time augmentation, batches, ONNX Runtime."""

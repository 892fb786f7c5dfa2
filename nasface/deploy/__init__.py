"""Detectors in other formats: ONNX, torch.export programs, plain Python files."""

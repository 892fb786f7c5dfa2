"""Detectors that leave the toolkit: ONNX files, torch.export programs, plain Python files."""

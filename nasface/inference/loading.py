"""Detectors for inference, from any file that can stand for weights."""

from dataclasses import replace
from pathlib import Path

import torch

from nasface.detection import checkpoint as weights
from nasface.detection.checkpoint import LoadedDetector
from nasface.inference.onnx_runtime import load_onnx
from nasface.nn.fuse import fuse_conv_bn


def load_detector(path: Path, device: str | torch.device = "cpu") -> LoadedDetector:
    """The detector of weights of ``nasface train``, its normalisations folded into convolutions, or
    of an ONNX file of ``nasface export``.

    Raises:
        RunError: naming the file, if it is no such detector. ExportError: for an ONNX
        file without onnxruntime.
    """
    if path.suffix.lower() != ".onnx":
        loaded = weights.load_detector(path, device)
        return replace(loaded, detector=fuse_conv_bn(loaded.detector))
    return load_onnx(path, device)

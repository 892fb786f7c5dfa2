"""Detectors from any file that can stand for weights."""

from pathlib import Path

import torch

from nasface.detection.checkpoint import LoadedDetector, read_checkpoint
from nasface.errors import RunError
from nasface.inference.onnx_runtime import load_onnx
from nasface.inference.openvino import load_openvino
from nasface.inference.retinaface_weights import read_retinaface_weights
from nasface.models.hub import WEIGHTS

WEIGHTS_SUFFIXES = (".safetensors", ".onnx", ".xml", ".pth")
"""Suffixes of the files that :func:`read_detector` reads."""
_OTHER_SUFFIXES = (".pt2", ".mnn", ".param", ".tflite", ".pte")
"""Suffixes of exports that only their own runtimes run."""


def read_detector(path: Path, device: str | torch.device = "cpu") -> LoadedDetector:
    """Return the detector of weights of ``nasface train``, of a file of ``nasface export`` for ONNX
    Runtime (``.onnx``) or OpenVINO (``.xml``), or of published weights of RetinaFace (``.pth``).

    Raises:
        RunError: naming the file, if it is no such detector. MissingPackageError: without the
            runtime.
    """
    if path.is_dir():
        raise RunError(
            f"{path}: cannot read weights: is a folder; expected a file, or a folder with {WEIGHTS}"
        )
    if path.suffix.lower() in _OTHER_SUFFIXES:
        raise RunError(
            f"{path}: is a file for another runtime, which can be benchmarked; expected weights: "
            f"{', '.join(WEIGHTS_SUFFIXES)}"
        )
    if path.suffix.lower() == ".onnx":
        return load_onnx(path, device)
    if path.suffix.lower() == ".xml":
        return load_openvino(path)
    if path.suffix.lower() == ".pth":
        return read_retinaface_weights(path, device)
    return read_checkpoint(path, device)

"""Loading of face detectors, by name or from files."""

from pathlib import Path
from typing import get_args

import torch

from nasface.api.detector import FaceDetector
from nasface.detection.zoo import MODELS
from nasface.device import choose_device
from nasface.errors import ConfigError, check_choice, check_kind
from nasface.inference.loading import read_detector
from nasface.models import DEFAULT_MODEL, ReleasedPrecision, released_models, weights_path


def load_detector(
    path: str | Path = DEFAULT_MODEL,
    device: str | torch.device = "auto",
    *,
    precision: ReleasedPrecision = "float32",
) -> FaceDetector:
    """Load a detector.

    Args:
        path: the name of a released detector (``nasface models`` lists them); weights of ``nasface
            train`` or :meth:`FaceDetector.save`; a folder of :meth:`FaceDetector.save_pretrained`;
            a place on the Hugging Face Hub, ``hf://owner/name`` or ``hf://owner/name@revision``;
            an ``.onnx`` or ``.xml`` file of ``nasface export``, which can detect and be evaluated
            only; RetinaFace's weights as its common torch port publishes them (``.pth``), without
            landmarks.
        device: cpu, cuda, mps, or auto: a CUDA GPU where there is one.
        precision: int8 takes the 8-bit ONNX file of a released detector, which can detect and be
            evaluated only.

    Raises:
        RunError: naming the file, if it cannot be read, is no detector or its weights do not fit.
        MissingPackageError: for an exported file without its runtime.
        ConfigError: for what is no name or path, a device that is not there, a model without
            weights, or int8 of other weights.
    """
    check_kind("detector", path, str | Path, "a name, a file or hf://owner/name")
    if str(path) in MODELS and not Path(path).exists():
        raise ConfigError(
            f"{path}: has no released weights, expected {', '.join(released_models())} or a file; "
            f"create_detector({str(path)!r}) has random ones"
        )
    check_choice("precision", precision, get_args(ReleasedPrecision))
    path = weights_path(path, precision)
    loaded = read_detector(path, choose_device(device))
    return FaceDetector(loaded.detector, loaded.config, loaded.genotype, loaded.metrics, path)


def as_detector(detector: FaceDetector | str | Path) -> FaceDetector:
    """Return a detector, loaded if its name or file is given.

    Raises:
        ConfigError: for anything else. What :func:`load_detector` raises.
    """
    if isinstance(detector, str | Path):
        return load_detector(detector)
    if not isinstance(detector, FaceDetector):
        kind = type(detector).__name__
        raise ConfigError(f"detector: {kind} is none, expected a FaceDetector, its file or name")
    return detector

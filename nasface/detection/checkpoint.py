"""Detectors on disk: a safetensors file that holds all that is needed to build the detector."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

import nasface
from nasface.arch.genotype import Genotype
from nasface.arch.io import parse_genotype
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import Detector, build_detector
from nasface.detection.necks.registry import uses_genotype
from nasface.errors import NasfaceError, RunError
from nasface.io.files import write_bytes
from nasface.io.safetensors_file import load_safetensors_file
from nasface.io.strict_json import to_json
from nasface.io.yaml import parse_dataclass, parse_yaml, to_yaml
from nasface.nn.blocks import channels_last
from nasface.nn.keys import name_of

CHECKPOINT_FORMAT = "nasface-detector-1"
LICENCE = "weights are subject to the terms of the images that they were trained on"
PREPROCESSING = "RGB / 255, minus ImageNet mean, over ImageNet standard deviation"


@dataclass(frozen=True)
class LoadedDetector:
    """A detector in evaluation mode with what its file says of it.

    ``detector`` maps images to :class:`Predictions` or, from an ONNX file, :class:`Candidates`.
    There is no genotype where it has a hand-made neck.
    """

    detector: nn.Module
    config: DetectorConfig
    genotype: Genotype | None
    metrics: dict[str, Any]

    @property
    def name(self) -> str:
        """The genotype's name, or the neck's without a genotype."""
        return (self.genotype.name if self.genotype else "") or self.config.neck


def save_detector(
    path: Path,
    detector: Detector,
    genotype: Genotype | None,
    metrics: dict[str, Any],
    state: dict[str, torch.Tensor] | None = None,
    *,
    half: bool = False,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write weights (``state`` where given, else the detector's own) and metadata atomically.

    With ``half``, convolutions are kept in float16 on disk, which halves the file; what is loaded
    is float32 all the same. ``about`` is further metadata.
    """
    metadata = {
        **(about or {}),
        "format": CHECKPOINT_FORMAT,
        "nasface": nasface.__version__,
        "config": to_yaml(detector.trunk.config),
        **({} if genotype is None else {"genotype": to_yaml(genotype)}),
        "preprocessing": PREPROCESSING,
        "licence": LICENCE,
        "metrics": to_json(metrics, indent=None),
    }
    tensors = {
        key: value.detach().cpu().contiguous()
        for key, value in (state or detector.state_dict()).items()
    }
    if half:
        tensors = {key: each.half() if each.ndim == 4 else each for key, each in tensors.items()}
    write_bytes(path, save(tensors, metadata))


def read_checkpoint(path: Path, device: str | torch.device = "cpu") -> LoadedDetector:
    """Return the detector of a file written by :func:`save_detector`, in evaluation mode.

    Raises:
        RunError: naming the file, if it cannot be read, is no detector or its weights do not fit.
    """
    tensors, metadata = load_safetensors_file(path)
    if metadata.get("format") != CHECKPOINT_FORMAT:
        raise RunError(
            f"{path}: format is {metadata.get('format')!a:.60}, expected {CHECKPOINT_FORMAT!r} "
            "(a file written by nasface train)"
        )
    config = parse_dataclass(
        DetectorConfig, _yaml(metadata, "config", path), f"{path}: config", RunError
    )
    genotype = None
    if uses_genotype(config.neck):
        genotype = parse_genotype(_text(metadata, "genotype", path), f"{path}: genotype")
    try:
        detector = _without_values(config, genotype)
        # Which names torch takes for itself, and so what their keys are, depends on its version.
        keys = {_names_in(key): key for key in detector.state_dict()}
        found = {_current_key(key): _widened(tensor) for key, tensor in tensors.items()}
        tensors = {keys.get(_names_in(key), key): tensor for key, tensor in found.items()}
        _check_fit(detector, tensors)
        # Copies lie at aligned addresses, which the bits of matrix products can depend on.
        copies = {key: tensor.clone() for key, tensor in tensors.items()}
        detector.load_state_dict(copies, assign=True)
        metrics = json.loads(metadata.get("metrics", "{}"))
    except (NasfaceError, RuntimeError, ValueError, RecursionError) as problem:
        raise RunError(
            f"{path}: weights do not fit: {' '.join(str(problem).split())[:300]}"
        ) from None
    if not isinstance(metrics, dict):
        raise RunError(f"{path}: metrics are no map")
    return LoadedDetector(channels_last(detector.eval().to(device)), config, genotype, metrics)


def _widened(value: torch.Tensor) -> torch.Tensor:
    """Return as float32 what :func:`save_detector` kept in float16."""
    return value.float() if value.dtype == torch.float16 else value


def _current_key(key: str) -> str:
    """Return what a key of a state dict of version 0.1 is called now.

    The trunk was the frame and the neck the enhancement; cells kept what their combine rules learn
    in ``scales`` and ``merges``.
    """
    room, dot, rest = key.partition(".")
    rest = re.sub(r"(^|\.)(cells\.[^.]+)\.scales\.([^.]+)$", r"\1\2.combine.\3.scale", rest)
    rest = re.sub(r"(^|\.)(cells\.[^.]+)\.merges\.([^.]+)\.", r"\1\2.combine.\3.merge.", rest)
    return {"frame": "trunk", "enhancement": "neck"}.get(room, room) + dot + rest


def _names_in(key: str) -> str:
    return ".".join(map(name_of, key.split(".")))


def _without_values(config: DetectorConfig, genotype: Genotype | None) -> Detector:
    """Return a detector whose tensors, all of them in its state dict, have shapes only.

    It takes no memory for them, however large a file says that they are, and no random numbers.
    """
    with torch.device("meta"):
        detector = build_detector(config, genotype)
    if dict(detector.named_buffers()).keys() <= detector.state_dict().keys():
        return detector
    # A backbone from outside the package has buffers that no file holds.
    return build_detector(config, genotype)


def _check_fit(detector: Detector, tensors: dict[str, torch.Tensor]) -> None:
    """Raise :class:`ValueError` unless the tensors are those that the detector takes."""
    expected = detector.state_dict()
    for key in (*expected, *tensors):
        if key not in tensors or key not in expected:
            raise ValueError(f"{key!a} is {'missing' if key in expected else 'surplus'}")
        here, there = tensors[key], expected[key]
        if (here.shape, here.dtype) != (there.shape, there.dtype):
            raise ValueError(
                f"{key} is {here.dtype} {tuple(here.shape)}, expected {there.dtype} "
                f"{tuple(there.shape)}"
            )


def _text(metadata: dict[str, str], key: str, path: Path) -> str:
    if key not in metadata:
        raise RunError(f"{path}: metadata has no {key!r}; expected a file written by nasface train")
    return metadata[key]


def _yaml(metadata: dict[str, str], key: str, path: Path) -> Any:
    return parse_yaml(_text(metadata, key, path), f"{path}: {key}", RunError)

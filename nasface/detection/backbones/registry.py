"""Backbones by name."""

from collections.abc import Callable
from functools import partial

from nasface.detection.backbones.base import Backbone
from nasface.detection.backbones.mobilenet import MobileNetV1
from nasface.detection.backbones.resnet import DEPTHS, ResNet
from nasface.detection.backbones.thin_resnet import WIDTHS, ThinResNet
from nasface.registry import Registry

BACKBONES: Registry[Callable[[], Backbone]] = Registry("backbone")
"""Name -> what builds the backbone, with random weights."""


def register_backbone(name: str, build: Callable[[], Backbone]) -> None:
    """Add a backbone; ``--detector.backbone`` may then name it.

    Plain Python export copies the source of ``build``: a class or function of a module, or a
    ``functools.partial`` of one.

    Raises:
        ConfigError: if the name is taken.
    """
    BACKBONES.add(name, build)


register_backbone("mobilenet_v1_0.25", partial(MobileNetV1, 0.25))
register_backbone("mobilenet_v1", partial(MobileNetV1, 1.0))
for _depth in DEPTHS:
    register_backbone(f"resnet{_depth}", partial(ResNet, _depth))
for _name, _widths in WIDTHS.items():
    register_backbone(_name, partial(ThinResNet, _widths))


def build_backbone(name: str) -> Backbone:
    """Build the backbone of a name, with random weights.

    Raises:
        ConfigError: for an unknown name.
    """
    return BACKBONES.find(name)()

"""Backbones by name."""

from collections.abc import Callable
from functools import partial

from torch import nn

from nasface.detection.backbones.base import Backbone
from nasface.detection.backbones.inverted_residual import PLANS, InvertedResiduals
from nasface.detection.backbones.mobilenet import MobileNetV1
from nasface.detection.backbones.outside import TimmBackbone, TorchvisionBackbone
from nasface.detection.backbones.recurrent import RecurrentMobileFace
from nasface.detection.backbones.resnet import DEPTHS, ResNet
from nasface.detection.backbones.thin_resnet import WIDTHS, ThinResNet
from nasface.detection.backbones.vgg import VGG16
from nasface.errors import ConfigError
from nasface.registry import Registry

LEAST_WIDTH, MAX_WIDTH = 0.1, 4.0
"""Limits of a multiplier of channels."""

BACKBONES: Registry[Callable[[], Backbone]] = Registry("backbone")
"""Name -> what builds the backbone, with random weights."""


def register_backbone(name: str, build: Callable[[], Backbone]) -> None:
    """Add a backbone; ``--detector.backbone`` may then name it.

    Plain Python export copies the source of ``build``: a class or function of a module, or a
    ``functools.partial`` of one.

    Raises:
        ConfigError: if the name is taken, or for a module in the place of what builds one.
    """
    if isinstance(build, nn.Module):
        kind = type(build).__name__
        raise ConfigError(
            f"backbone {name!r}: is a module; expected what builds it, such as the class {kind}"
        )
    BACKBONES.check_callable(name, build)
    BACKBONES.add(name, build)


BACKBONE_FAMILIES: Registry[Callable[[str], Callable[[], Backbone]]] = Registry("backbone family")
"""What stands before the colon of a name such as ``mobilenet_v2:0.5`` -> what makes of the rest
what builds the backbone."""


def _of_width(
    name: str, build: Callable[[float], Backbone]
) -> Callable[[str], Callable[[], Backbone]]:
    """Return a family whose names end in a multiplier of all channels."""

    def find(width: str) -> Callable[[], Backbone]:
        try:
            number = float(width)
        except ValueError:
            number = 0.0
        if not LEAST_WIDTH <= number <= MAX_WIDTH:
            raise ConfigError(
                f"backbone: {name}:{width}, expected a width from {LEAST_WIDTH} to {MAX_WIDTH}, "
                f"such as {name}:0.5"
            )
        return partial(build, number)

    return find


register_backbone("mobilenet_v1_0.25", partial(MobileNetV1, 0.25))
register_backbone("mobilenet_v1", partial(MobileNetV1, 1.0))
for _plan in PLANS:
    register_backbone(_plan, partial(InvertedResiduals, _plan))
for _depth in DEPTHS:
    register_backbone(f"resnet{_depth}", partial(ResNet, _depth))
for _name, _widths in WIDTHS.items():
    register_backbone(_name, partial(ThinResNet, _widths))
register_backbone("vgg16", VGG16)
register_backbone("recurrent_mobileface_32", partial(RecurrentMobileFace, 32, (2, 2, 4, 4, 2, 2)))
for _width in (48, 64):
    register_backbone(
        f"recurrent_mobileface_{_width}", partial(RecurrentMobileFace, _width, (2, 2, 4, 4))
    )


BACKBONE_FAMILIES.add("mobilenet_v1", _of_width("mobilenet_v1", MobileNetV1))
for _plan in PLANS:
    BACKBONE_FAMILIES.add(_plan, _of_width(_plan, partial(InvertedResiduals, _plan)))

BACKBONE_FAMILIES.add("timm", lambda name: partial(TimmBackbone, name))
BACKBONE_FAMILIES.add("torchvision", lambda name: partial(TorchvisionBackbone, name))


def find_backbone(name: str) -> Callable[[], Backbone]:
    """Return the builder of a backbone: of a name, or of a family and what follows its colon.

    Raises:
        ConfigError: for an unknown name.
    """
    family, colon, rest = name.partition(":")
    if colon and family in BACKBONE_FAMILIES:
        return BACKBONE_FAMILIES[family](rest)
    return BACKBONES.find(name)


def build_backbone(name: str) -> Backbone:
    """Build the backbone of a name, with random weights.

    Raises:
        ConfigError: for an unknown name, or what is no backbone.
    """
    found = find_backbone(name)()
    if not isinstance(found, Backbone):
        raise ConfigError(
            f"backbone {name!r}: {type(found).__name__} is none; expected a class derived from "
            "nasface.detection.backbones.base.Backbone"
        )
    return found

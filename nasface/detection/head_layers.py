"""Layers of the branches of a head, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from nasface.detection.necks.handmade import RFE
from nasface.nn.blocks import conv_norm_relu
from nasface.registry import Registry

Layers = Callable[[int, int, int], list[nn.Module]]
"""(channels, width, layers) -> modules, one behind the other, that map (B, channels, H, W) to
(B, width, H, W)."""


@dataclass(frozen=True)
class HeadLayers:
    """``build`` makes the layers; the width of a head must be a multiple of ``divisor``."""

    build: Layers
    divisor: int = 1


HEAD_LAYERS: Registry[HeadLayers] = Registry("head")
"""Name -> layers of a branch."""


def register_head(name: str, build: Layers, *, divisor: int = 1) -> None:
    """Add layers of heads; ``--detector.head`` may then name them.

    Plain Python export copies the source of ``build``: a function of a module. ``divisor``: the
    width of the head must be a multiple of it.

    Raises:
        ConfigError: if the name is taken, or for what cannot be called.
    """
    HEAD_LAYERS.check_callable(name, build)
    HEAD_LAYERS.add(name, HeadLayers(build, divisor))


def separable_layers(channels: int, width: int, layers: int) -> list[nn.Module]:
    """Return depthwise 3x3, 1x1, normalisation and ReLU: each layer the light form of a 3x3."""
    widths = [channels, *[width] * layers]
    return [
        nn.Sequential(
            nn.Conv2d(before, before, 3, 1, 1, groups=before, bias=False),
            *conv_norm_relu(before, after),
        )
        for before, after in pairwise(widths)
    ]


def dense_layers(channels: int, width: int, layers: int) -> list[nn.Module]:
    """Return 3x3, normalisation and ReLU."""
    widths = [channels, *[width] * layers]
    return [conv_norm_relu(before, after, 3) for before, after in pairwise(widths)]


def rfe_layers(channels: int, width: int, layers: int) -> list[nn.Module]:
    """Return 3x3 and ReLU, with a receptive field module in the middle of them (SRN, Chi et al.,
    AAAI 2019, section 3.4).

    Without normalisations, so that one head can serve all levels, whose features differ in scale.
    """
    found: list[nn.Module] = []
    for at in range(layers):
        convolution = nn.Conv2d(channels if at == 0 else width, width, 3, 1, 1)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        found.append(nn.Sequential(convolution, nn.ReLU()))
    found.insert((layers + 1) // 2, RFE(width, normalised=False))
    return found


register_head("separable", separable_layers)
register_head("dense", dense_layers)
register_head("rfe", rfe_layers, divisor=4)

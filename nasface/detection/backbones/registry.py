"""Backbones: an image in, feature maps C2..C5 out (strides 4 to 32); C6 and C7 on top.

A level ``l`` has a stride of ``2**l`` pixels and, for an image of H x W, ceil(H / 2**l) rows and
ceil(W / 2**l) columns.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Literal

from torch import Tensor, nn

from nasface.detection.backbones.resnet import DEPTHS, ResNet
from nasface.errors import ConfigError
from nasface.nn.blocks import conv_norm_relu
from nasface.structures import Backbone

LEVELS = (2, 3, 4, 5, 6, 7)
STRIDES = tuple(2**level for level in LEVELS)


class MobileNetV1(Backbone):
    """MobileNetV1 (Howard et al. 2017, arXiv 1704.04861) without its classifier.

    ``width`` is the multiplier of all channels. Parameters and multiply-adds at width 0.25 and
    640x480: 0.213 M, 0.250 G.
    """

    #: (output channels at width 1, stride) of the depthwise-separable layers, by level they end
    LAYERS: Mapping[int, tuple[tuple[int, int], ...]] = MappingProxyType(
        {
            2: ((64, 1), (128, 2), (128, 1)),
            3: ((256, 2), (256, 1)),
            4: ((512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),
            5: ((1024, 2), (1024, 1)),
        }
    )

    def __init__(self, width: float) -> None:
        super().__init__()
        channels = int(32 * width)
        self.stem = conv_norm_relu(3, channels, 3, 2)
        self.stages = nn.ModuleDict()
        self.channels = {}
        for level, layers in self.LAYERS.items():
            blocks: list[nn.Module] = []
            for wide, stride in layers:
                blocks.append(_separable(channels, int(wide * width), stride))
                channels = int(wide * width)
            self.stages[str(level)] = nn.Sequential(*blocks)
            self.channels = {**self.channels, level: channels}

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Images (B, 3, H, W) -> level 2..5 -> (B, channels[level], H / 2**level, W / 2**level)."""
        x = self.stem(images_B3HW)
        features = {}
        for level, stage in self.stages.items():
            x = stage(x)
            features[int(level)] = x
        return features

    def parts(self) -> list[list[nn.Module]]:
        """The modules of the stem and of each stage, as they can be frozen."""
        return [[self.stem], *([stage] for stage in self.stages.values())]


Form = Literal["separable", "dense"]


class ExtraLevels(nn.Module):
    """C6 and C7 from C5, each a 3x3 of stride 2.

    ``separable``: depthwise, then 1x1. ``dense``: 1x1 to a quarter of the channels (for C7 to no
    fewer than 128 or all of them), then 3x3, as in the authors' detector.
    """

    def __init__(self, channels: int, widths: tuple[int, int], form: Form = "separable") -> None:
        super().__init__()
        if form == "separable":
            self.c6 = _separable(channels, widths[0], 2)
            self.c7 = _separable(widths[0], widths[1], 2)
        else:
            self.c6 = _bottleneck(channels, channels // 4, widths[0])
            narrow = max(widths[0] // 4, min(128, widths[0]))
            self.c7 = _bottleneck(widths[0], narrow, widths[1])

    def forward(self, features: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Levels 2..5 -> levels 2..7."""
        c6 = self.c6(features[5])
        return {**features, 6: c6, 7: self.c7(c6)}


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


def _bottleneck(in_channels: int, narrow: int, out_channels: int) -> nn.Sequential:
    """1x1 to ``narrow`` channels, then 3x3 with stride 2."""
    return nn.Sequential(
        *conv_norm_relu(in_channels, narrow), *conv_norm_relu(narrow, out_channels, 3, 2)
    )


def _separable(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """Depthwise 3x3, then 1x1, each with normalisation and ReLU."""
    return nn.Sequential(
        *conv_norm_relu(in_channels, in_channels, 3, stride, groups=in_channels),
        *conv_norm_relu(in_channels, out_channels),
    )

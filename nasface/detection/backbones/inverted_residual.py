"""Backbones of inverted residual blocks: MobileNetV2 and EfficientNet-Lite0.

Parameters are named as in torchvision's MobileNetV2, so that its weights fit; the head behind the
last block is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import cast

from torch import Tensor, nn

from nasface.detection.backbones.base import Backbone

STEM = 32
"""Channels of the first convolution."""


@dataclass(frozen=True)
class BlockRow:
    """``count`` blocks: expansion, channels, stride of the first of them, and kernel."""

    expansion: int
    channels: int
    count: int
    stride: int
    kernel: int = 3


@dataclass(frozen=True)
class BlockPlan:
    """The rows of a backbone, and how its normalisations are set."""

    rows: tuple[BlockRow, ...]
    eps: float = 1e-5
    momentum: float = 0.1


PLANS: Mapping[str, BlockPlan] = MappingProxyType(
    {
        "mobilenet_v2": BlockPlan(
            (
                BlockRow(1, 16, 1, 1),
                BlockRow(6, 24, 2, 2),
                BlockRow(6, 32, 3, 2),
                BlockRow(6, 64, 4, 2),
                BlockRow(6, 96, 3, 1),
                BlockRow(6, 160, 3, 2),
                BlockRow(6, 320, 1, 1),
            )
        ),
        "efficientnet_lite0": BlockPlan(
            (
                BlockRow(1, 16, 1, 1),
                BlockRow(6, 24, 2, 2),
                BlockRow(6, 40, 2, 2, 5),
                BlockRow(6, 80, 3, 2),
                BlockRow(6, 112, 3, 1, 5),
                BlockRow(6, 192, 4, 2, 5),
                BlockRow(6, 320, 1, 1),
            ),
            eps=1e-3,
            momentum=0.01,
        ),
    }
)
"""MobileNetV2 (Sandler et al., CVPR 2018, arXiv 1801.04381, Table 2) and EfficientNet-Lite0, which
is EfficientNet-B0 (Tan and Le, ICML 2019, arXiv 1905.11946) without squeeze-and-excitation."""


class InvertedResidual(nn.Module):
    """1x1 to ``expansion`` times the channels, depthwise, 1x1, with a shortcut where it fits."""

    def __init__(self, in_channels: int, row: BlockRow, channels: int, stride: int) -> None:
        super().__init__()
        hidden = in_channels * row.expansion
        layers: list[nn.Module] = []
        if row.expansion > 1:
            layers.append(_conv_norm_relu6(in_channels, hidden, 1))
        layers.append(_conv_norm_relu6(hidden, hidden, row.kernel, stride, groups=hidden))
        layers += [nn.Conv2d(hidden, channels, 1, bias=False), nn.BatchNorm2d(channels)]
        self.conv = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == channels

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the module."""
        x = cast(Tensor, self.conv(x_BCHW))
        return x_BCHW + x if self.has_shortcut else x


class InvertedResiduals(Backbone):
    """The backbone of a plan; ``width`` multiplies all channels, rounded as in MobileNetV2.

    Strides of EfficientNet-Lite0 are padded evenly here, where TensorFlow pads the far side: its
    features lie half a pixel off, which hardly changes its classes.
    """

    def __init__(self, plan: str, width: float = 1.0) -> None:
        super().__init__()
        self.plan = PLANS[plan]
        channels = round_channels(STEM * width)
        layers: list[nn.Module] = [_conv_norm_relu6(3, channels, 3, 2)]
        self.ends: dict[int, int] = {}
        self.channels = {}
        level = 1
        for row in self.plan.rows:
            wide = round_channels(row.channels * width)
            for at in range(row.count):
                stride = row.stride if at == 0 else 1
                layers.append(InvertedResidual(channels, row, wide, stride))
                channels = wide
            level += row.stride == 2
            if level > 1:
                self.ends[level] = len(layers)
                self.channels = {**self.channels, level: channels}
        self.features = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = self.plan.eps, self.plan.momentum

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Map images (B, 3, H, W) to level 2..5 -> (B, channels[level], H / 2**level, W /
        2**level)."""
        x, first, found = images_B3HW, 0, {}
        for level, end in self.ends.items():
            x = self.features[first:end](x)
            found[level], first = x, end
        return found

    def freezable_stages(self) -> list[list[nn.Module]]:
        """Return the modules of the stem and of each stage, as they can be frozen."""
        bounds = [0, 1, *self.ends.values()]
        layers = list(self.features)
        return [layers[first:end] for first, end in pairwise(bounds)]


def round_channels(channels: float) -> int:
    """Return a multiple of 8 near a number of channels, at least 8 and not below nine tenths of it,
    as in the authors' code."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _conv_norm_relu6(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    conv = nn.Conv2d(
        in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
    )
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU6(inplace=True))

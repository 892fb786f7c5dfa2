"""ResNet backbones (He et al. 2016, arXiv 1512.03385), with the names of torchvision's parameters.

Bottlenecks carry their stride on the 3x3 convolution (the variant that torchvision ships), so that
ImageNet weights of torchvision fit.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from torch import Tensor, nn

from nasface.detection.backbones.base import Backbone

DEPTHS: Mapping[int, tuple[tuple[int, int, int, int], bool]] = MappingProxyType(
    {
        18: ((2, 2, 2, 2), False),
        34: ((3, 4, 6, 3), False),
        50: ((3, 4, 6, 3), True),
        101: ((3, 4, 23, 3), True),
        152: ((3, 8, 36, 3), True),
    }
)
"""Depth -> (blocks of each stage, whether they are bottlenecks)."""


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut, or 1x1, 3x3, 1x1 for a bottleneck."""

    def __init__(self, in_channels: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        out_channels = 4 * width if bottleneck else width
        if bottleneck:
            self.conv1 = _conv(in_channels, width, 1)
            self.conv2 = _conv(width, width, 3, stride)
            self.conv3 = _conv(width, out_channels, 1)
            self.bn3 = nn.BatchNorm2d(out_channels)
        else:
            self.conv1 = _conv(in_channels, width, 3, stride)
            self.conv2 = _conv(width, width, 3)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.bottleneck = bottleneck
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            shortcut = _conv(in_channels, out_channels, 1, stride)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the module."""
        shortcut = x_BCHW if self.downsample is None else self.downsample(x_BCHW)
        x = self.relu(self.bn1(self.conv1(x_BCHW)))
        x = self.bn2(self.conv2(x))
        if self.bottleneck:
            x = self.bn3(self.conv3(self.relu(x)))
        return cast(Tensor, self.relu(x + shortcut))


class ResNet(Backbone):
    """A ResNet without its classifier; ``channels`` of C2..C5 are those of its four stages."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        blocks, bottleneck = DEPTHS[depth]
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels, self.channels = 64, {}
        for stage, count in enumerate(blocks, 1):
            width, layers = 64 * 2 ** (stage - 1), []
            for at in range(count):
                stride = 2 if stage > 1 and at == 0 else 1
                layers.append(Block(channels, width, stride, bottleneck))
                channels = 4 * width if bottleneck else width
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
            self.channels = {**self.channels, stage + 1: channels}
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Map images (B, 3, H, W) to level 2..5 -> (B, channels[level], H / 2**level, W /
        2**level)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images_B3HW))))
        features = {}
        for level in range(2, 6):
            x = self.get_submodule(f"layer{level - 1}")(x)
            features[level] = x
        return features

    def freezable_stages(self) -> list[list[nn.Module]]:
        """Return the modules of the stem and of each stage, as they can be frozen."""
        stages = [[self.get_submodule(f"layer{at}")] for at in range(1, 5)]
        return [[self.conv1, self.bn1], *stages]


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)

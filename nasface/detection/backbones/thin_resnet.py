"""Thin residual backbones of plain 3x3 convolutions, made for the CPU.

Few channels and dense convolutions run faster on a CPU than depthwise ones of as many multiply-adds
(EResFD, arXiv 2204.01209), and most blocks stand at strides 8 and 16, where small faces are decided
(SCRFD, arXiv 2105.04714).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import nn

from nasface.detection.backbones.base import StagedBackbone
from nasface.detection.backbones.resnet import Block
from nasface.nn.blocks import conv_norm_relu


@dataclass(frozen=True)
class Widths:
    """Channels of the stem's two layers, and (channels, blocks) of C2, C3, C4 and C5."""

    stem: tuple[int, int]
    stages: tuple[tuple[int, int], ...]


WIDTHS: Mapping[str, Widths] = MappingProxyType(
    {
        "thin_resnet_n": Widths((16, 16), ((16, 1), (32, 3), (64, 4), (64, 2))),
        "thin_resnet_s": Widths((16, 16), ((32, 1), (64, 3), (64, 4), (96, 2))),
    }
)
"""Names as they are asked for -> what they are made of."""


class ThinResNet(StagedBackbone):
    """Two 3x3 layers at stride 2, then residual stages (``Block``) at strides 4 to 32."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        first, channels = widths.stem
        self.stem = nn.Sequential(
            *conv_norm_relu(3, first, 3, 2), *conv_norm_relu(first, channels, 3)
        )
        self.stages = nn.ModuleDict()
        self.channels = {}
        for level, (width, count) in enumerate(widths.stages, 2):
            blocks = []
            for at in range(count):
                blocks.append(Block(channels, width, 2 if at == 0 else 1, bottleneck=False))
                channels = width
            self.stages[str(level)] = nn.Sequential(*blocks)
            self.channels = {**self.channels, level: width}
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

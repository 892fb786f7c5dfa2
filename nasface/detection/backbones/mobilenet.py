"""MobileNet backbones."""

from collections.abc import Mapping
from types import MappingProxyType

from torch import nn

from nasface.detection.backbones.base import StagedBackbone
from nasface.nn.blocks import conv_norm_relu, depthwise_separable


class MobileNetV1(StagedBackbone):
    """MobileNetV1 (Howard et al. 2017, arXiv 1704.04861) without its classifier.

    ``width`` is the multiplier of all channels. Parameters and multiply-adds at width 0.25 and
    640x480: 0.213 M, 0.250 G.
    """

    LAYERS: Mapping[int, tuple[tuple[int, int], ...]] = MappingProxyType(
        {
            2: ((64, 1), (128, 2), (128, 1)),
            3: ((256, 2), (256, 1)),
            4: ((512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),
            5: ((1024, 2), (1024, 1)),
        }
    )
    """(output channels at width 1, stride) of the depthwise-separable layers, by level they end."""

    def __init__(self, width: float) -> None:
        super().__init__()
        channels = int(32 * width)
        self.stem = conv_norm_relu(3, channels, 3, 2)
        self.stages = nn.ModuleDict()
        self.channels = {}
        for level, layers in self.LAYERS.items():
            blocks: list[nn.Module] = []
            for wide, stride in layers:
                blocks.append(depthwise_separable(channels, int(wide * width), stride))
                channels = int(wide * width)
            self.stages[str(level)] = nn.Sequential(*blocks)
            self.channels = {**self.channels, level: channels}

"""Levels of a feature pyramid, and the extra ones above those of a backbone.

A level ``l`` has a stride of ``2**l`` pixels and, for an image of H x W, ceil(H / 2**l) rows and
ceil(W / 2**l) columns.
"""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from nasface.nn.blocks import conv_norm_relu, depthwise_separable

LEVELS = (2, 3, 4, 5, 6, 7)
STRIDES = tuple(2**level for level in LEVELS)

Form = Literal["separable", "dense"]

ExtraForm = Literal["separable", "dense", "plain"]


class ExtraLevels(nn.Module):
    """C6 and C7 from C5, each a 3x3 of stride 2.

    ``separable``: depthwise, then 1x1. ``dense``: 1x1 to a quarter of the channels (for C7 to no
    fewer than 128 or all of them), then 3x3, as in the authors' detector. ``plain``: the 3x3 alone.
    """

    def __init__(
        self, channels: int, widths: tuple[int, int], form: ExtraForm = "separable"
    ) -> None:
        super().__init__()
        if form == "separable":
            self.c6 = depthwise_separable(channels, widths[0], 2)
            self.c7 = depthwise_separable(widths[0], widths[1], 2)
        elif form == "plain":
            self.c6 = conv_norm_relu(channels, widths[0], 3, 2)
            self.c7 = conv_norm_relu(widths[0], widths[1], 3, 2)
        else:
            self.c6 = _bottleneck(channels, channels // 4, widths[0])
            narrow = max(widths[0] // 4, min(128, widths[0]))
            self.c7 = _bottleneck(widths[0], narrow, widths[1])

    def forward(self, features: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Map levels 2..5 to levels 2..7."""
        c6 = self.c6(features[5])
        return {**features, 6: c6, 7: self.c7(c6)}


def _bottleneck(in_channels: int, narrow: int, out_channels: int) -> nn.Sequential:
    """Return a 1x1 convolution to ``narrow`` channels, then a 3x3 one with stride 2."""
    return nn.Sequential(
        *conv_norm_relu(in_channels, narrow), *conv_norm_relu(narrow, out_channels, 3, 2)
    )

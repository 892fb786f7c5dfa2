"""The context module of PyramidBox."""

import torch.nn.functional as F
from torch import Tensor, nn

from nasface.detection.necks.handmade import SshContext, conv_norm
from nasface.nn.blocks import conv_norm_relu


class PyramidBoxContext(nn.Module):
    """Context-sensitive prediction module (PyramidBox, Tang et al., ECCV 2018, section 3.2): a
    residual bottleneck in front of SSH's context.

    The bottleneck is half as wide as the output, what it gives twice as wide: 256 and 1024 for the
    paper's 512.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.bottleneck = nn.Sequential(
            conv_norm_relu(in_channels, half),
            conv_norm_relu(half, half, 3),
            conv_norm(half, 2 * channels),
        )
        self.shortcut = conv_norm(in_channels, 2 * channels)
        self.context = SshContext(2 * channels, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, H, W)."""
        wide: Tensor = F.relu(self.bottleneck(x_BCHW) + self.shortcut(x_BCHW))
        found: Tensor = self.context(wide)
        return found

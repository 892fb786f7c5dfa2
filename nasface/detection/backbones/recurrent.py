"""The backbone of EXTD, which computes every level with the same layers."""

from torch import Tensor, nn

from nasface.detection.backbones.base import Backbone


class MobileFaceBlock(nn.Module):
    """1x1 to ``expansion`` times the channels, depthwise 3x3, 1x1, and the shortcut where it fits
    (MobileNetV2), with PReLU as in MobileFaceNet; the last 1x1 has none. The depthwise layer has a
    bias, as in the authors' networks."""

    def __init__(self, in_channels: int, channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = expansion * in_channels
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [nn.Conv2d(in_channels, wide, 1, bias=False), nn.BatchNorm2d(wide)]
            layers += [nn.PReLU()]
        layers += [
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide),
            nn.BatchNorm2d(wide),
            nn.PReLU(),
            nn.Conv2d(wide, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        ]
        self.layers = nn.Sequential(*layers)
        self.is_residual = stride == 1 and in_channels == channels

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, channels, ceil(H / stride), ceil(W / stride))."""
        found: Tensor = self.layers(x_BCHW)
        return x_BCHW + found if self.is_residual else found


class RecurrentMobileFace(Backbone):
    """Levels 2 to 7 by one shallow network that is applied again and again (EXTD, Yoo et al., arXiv
    1906.06579, section 3.1), so that it has few parameters.

    The stem, a strided 3x3 of 64 channels and a depthwise-separable layer, has stride 2. Inverted
    residuals with these ``expansions``, the last of them strided, then compute each level from the
    one before. All levels are ``width`` wide. The paper leaves the expansions open; they are those
    of the authors' published networks.
    """

    STEM = 64

    def __init__(self, width: int, expansions: tuple[int, ...]) -> None:
        super().__init__()
        self.channels = dict.fromkeys(range(2, 8), width)
        self.stem = nn.Sequential(
            nn.Conv2d(3, self.STEM, 3, 2, 1, bias=False),
            nn.BatchNorm2d(self.STEM),
            nn.PReLU(),
            MobileFaceBlock(self.STEM, width, 1, 1),
        )
        last = len(expansions) - 1
        self.step = nn.Sequential(
            *(
                MobileFaceBlock(width, width, each, 2 if at == last else 1)
                for at, each in enumerate(expansions)
            )
        )

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Map images (B, 3, H, W) to level 2..7 -> (B, channels[level], H / 2**level, W /
        2**level)."""
        x, found = self.stem(images_B3HW), {}
        for level in self.channels:
            x = self.step(x)
            found[level] = x
        return found

    def freezable_stages(self) -> list[list[nn.Module]]:
        """Return the stem, and what makes all levels."""
        return [[self.stem], [self.step]]

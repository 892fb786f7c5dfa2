"""VGG16 as single-shot face detectors have it."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from nasface.detection.backbones.base import Backbone


class HalvingPool(nn.MaxPool2d):
    """2x2 max pooling of rectified maps to ceil(H / 2), ceil(W / 2).

    A border of zeros, which change no maximum, stands for the mode of rounding up, of which torch's
    exporter makes conditions on the size of the image.
    """

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the module."""
        halved: Tensor = super().forward(F.pad(x_BCHW, (0, 1, 0, 1)))
        return halved


class VGG16(Backbone):
    """VGG16 (Simonyan and Zisserman, arXiv 1409.1556) with the layers that S3FD adds to it.

    S3FD (Zhang et al., ICCV 2017, section 3.1): levels 2 to 4 are the last convolutions of the
    third, fourth and fifth stage, level 5 the former fully connected layers as convolutions (a 3x3
    dilated by 6 and a 1x1), levels 6 and 7 pairs of a 1x1 and a strided 3x3. There are biases and
    no normalisations. Names of ``features`` are torchvision's, so that its ImageNet weights fit;
    what is added starts at random. ``width`` multiplies all channels.
    """

    STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    """(channels at width 1, convolutions) of each stage; a pooling stands behind each."""

    added = ("fc6.", "fc7.", "c6.", "c7.")
    """What torchvision's weights have not."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        self.taken: dict[int, int] = {}
        """Index in ``features`` behind which a level is taken -> the level."""
        self.channels = {}
        for stage, (wide, count) in enumerate(self.STAGES):
            for _ in range(count):
                layers += [nn.Conv2d(channels, int(wide * width), 3, 1, 1), nn.ReLU(inplace=True)]
                channels = int(wide * width)
            if stage >= 2:
                self.taken[len(layers) - 1] = stage
                self.channels = {**self.channels, stage: channels}
            layers.append(HalvingPool(2, 2))
        self.features = nn.Sequential(*layers)
        fully, c6, c7 = (int(each * width) for each in (1024, 512, 256))
        self.fc6 = _conv_relu(channels, fully, 3, dilation=6)
        self.fc7 = _conv_relu(fully, fully, 1)
        self.c6 = nn.Sequential(_conv_relu(fully, c6 // 2, 1), _conv_relu(c6 // 2, c6, 3, 2))
        self.c7 = nn.Sequential(_conv_relu(c6, c7 // 2, 1), _conv_relu(c7 // 2, c7, 3, 2))
        self.channels = {**self.channels, 5: fully, 6: c6, 7: c7}
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Map images (B, 3, H, W) to level 2..7 -> (B, channels[level], H / 2**level, W /
        2**level)."""
        x, found = images_B3HW, {}
        for at, layer in enumerate(self.features):
            x = layer(x)
            if at in self.taken:
                found[self.taken[at]] = x
        found[5] = self.fc7(self.fc6(x))
        found[6] = self.c6(found[5])
        found[7] = self.c7(found[6])
        return found

    def freezable_stages(self) -> list[list[nn.Module]]:
        """Return the modules of the first two stages, which have no level, and of levels 2 to 5.

        Those of levels 6 and 7 belong to the last.
        """
        pools = [at for at, each in enumerate(self.features) if isinstance(each, nn.MaxPool2d)]
        ends = [0, pools[1], *pools[2:]]
        stages = [
            [self.features[at] for at in range(first, last)] for first, last in pairwise(ends)
        ]
        return [*stages, [self.fc6, self.fc7, self.c6, self.c7]]


def _conv_relu(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Return a convolution with a bias, output as large as the input over the stride, and ReLU."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation),
        nn.ReLU(inplace=True),
    )

"""Functions that a plain Python file is made of, beside those taken from the toolkit itself."""

import torch.nn.functional as F
from torch import Tensor, nn


def pointwise(channels: int, stride: int = 1) -> nn.Sequential:
    """ReLU, 1x1 convolution of every position or of every second, normalisation."""
    taken = nn.ReLU() if stride == 1 else nn.Sequential(nn.ReLU(), nn.AvgPool2d(1, stride))
    return nn.Sequential(
        taken,
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def separable(channels: int, kernel: int, dilation: int = 1, stride: int = 1) -> nn.Sequential:
    """ReLU, depthwise convolution, 1x1 convolution, normalisation."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def dense(channels: int, kernel: int, dilation: int = 1, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution, normalisation."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(channels),
    )


def cross(channels: int, length: int, stride: int = 1) -> nn.Sequential:
    """ReLU, depthwise row and column, 1x1 convolution, normalisation."""
    row, across = (1, length), (0, length // 2)
    column, down = (length, 1), (length // 2, 0)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, row, (1, stride), across, groups=channels, bias=False),
        nn.Conv2d(channels, channels, column, (stride, 1), down, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def dense_cross(channels: int, stride: int = 1) -> nn.Sequential:
    """ReLU, a row of seven, a column of seven, normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
        nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
        nn.BatchNorm2d(channels),
    )


def upsample(x: Tensor, like: Tensor | None = None) -> Tensor:
    """Bilinear with aligned corners, to the size of another map or to twice its own."""
    size = (2 * x.shape[-2], 2 * x.shape[-1]) if like is None else like.shape[-2:]
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def downsample(x: Tensor) -> Tensor:
    """3x3 max pooling with stride 2."""
    return F.max_pool2d(x, 3, stride=2, padding=1)

"""The modules of the operations in :mod:`nasface.arch.operations`.

Order inside an operation as in the authors' searched FPN: ReLU first, then the depthwise
convolution(s), the pointwise 1x1, and one normalisation at the end; DARTS has the same order, and
its separable convolutions are two of these in a row (``separable_twice``). Every operation keeps
the number of channels; stride 1 keeps the size, stride 2 gives ceil(H/2), ceil(W/2).

Plain Python export copies these functions.
"""

from typing import cast

from torch import nn

from nasface.arch.operations import OPERATIONS, Builder
from nasface.nn.blocks import FactorizedReduce, Zero


def build_operation(
    name: str, channels: int, stride: int = 1, affine: bool = True, *, dense: bool = False
) -> nn.Module:
    """Build the module of an operation: (B, channels, H, W) -> the same, or half at stride 2.

    ``dense`` takes the dense form of an operation that has one.

    Raises:
        SpecError: for an unknown name.
    """
    return cast(nn.Module, builder_of(name, dense=dense)(channels, stride, affine))


def builder_of(name: str, *, dense: bool = False) -> Builder:
    """Return what builds an operation, in its dense form if it has one and ``dense`` asks for it.

    Raises:
        SpecError: for an unknown name.
    """
    operation = OPERATIONS.find(name)
    return operation.dense if dense and operation.dense else operation.build


def none(channels: int, stride: int = 1, affine: bool = True) -> nn.Module:
    """Return a module of zeros."""
    return Zero(stride)


def skip(channels: int, stride: int = 1, affine: bool = True) -> nn.Module:
    """Return the input; at stride 2 ReLU and two strided 1x1 convolutions."""
    if stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.ReLU(), FactorizedReduce(channels, channels, affine))


def pointwise(channels: int, stride: int = 1, affine: bool = True) -> nn.Module:
    """Return ReLU, 1x1 convolution of every position or of every second, and normalisation."""
    # Positions are taken before the convolution, for the reason given at FactorizedReduce.
    taken = nn.ReLU() if stride == 1 else nn.Sequential(nn.ReLU(), nn.AvgPool2d(1, stride))
    return nn.Sequential(
        taken,
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def separable(
    channels: int, stride: int = 1, affine: bool = True, *, kernel: int, dilation: int = 1
) -> nn.Module:
    """Return ReLU, depthwise convolution, 1x1 convolution and normalisation."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def separable_twice(
    channels: int, stride: int = 1, affine: bool = True, *, kernel: int
) -> nn.Module:
    """Return two separable convolutions; only the first is strided."""
    return nn.Sequential(
        separable(channels, stride, affine, kernel=kernel),
        separable(channels, 1, affine, kernel=kernel),
    )


def dense(
    channels: int, stride: int = 1, affine: bool = True, *, kernel: int, dilation: int = 1
) -> nn.Module:
    """Return ReLU, convolution and normalisation."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def narrow(channels: int, stride: int = 1, affine: bool = True, *, kernel: int) -> nn.Module:
    """Return ReLU, 1x1 convolution to a quarter of the channels, normalisation, ReLU, convolution
    back to all of them, and normalisation."""
    inner = max(1, channels // 4)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, inner, 1, bias=False),
        nn.BatchNorm2d(inner, affine=affine),
        nn.ReLU(),
        nn.Conv2d(inner, channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def cross(channels: int, stride: int = 1, affine: bool = True, *, length: int) -> nn.Module:
    """Return ReLU, depthwise row and column, 1x1 convolution and normalisation."""
    row, across = (1, length), (0, length // 2)
    column, down = (length, 1), (length // 2, 0)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, row, (1, stride), across, groups=channels, bias=False),
        nn.Conv2d(channels, channels, column, (stride, 1), down, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def dense_cross(channels: int, stride: int = 1, affine: bool = True) -> nn.Module:
    """Return ReLU, a row of seven, a column of seven, and normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
        nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def max_pool(channels: int, stride: int = 1, affine: bool = True) -> nn.Module:
    """Return 3x3 max pooling."""
    return nn.MaxPool2d(3, stride, 1)


def avg_pool(channels: int, stride: int = 1, affine: bool = True) -> nn.Module:
    """Return 3x3 average pooling over what lies inside the map."""
    return nn.AvgPool2d(3, stride, 1, count_include_pad=False)

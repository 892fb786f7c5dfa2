"""The operations that an edge may carry: name -> module.

Order inside an operation as in the authors' searched FPN: ReLU first, then the depthwise
convolution(s), the pointwise 1x1, and one normalisation at the end; DARTS has the same order, and
its separable convolutions are two of these in a row (``_twice``). Every operation keeps the
number of channels; stride 1 keeps the size, stride 2 gives ceil(H/2), ceil(W/2).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from nasface.nn.blocks import FactorizedReduce, Zero

OperationBuilder = Callable[[int, int, bool], nn.Module]
"""(channels, stride, affine) -> module; ``affine`` is that of the normalisation."""


def _pointwise(channels: int, stride: int, affine: bool) -> nn.Module:
    # Positions are taken before the convolution, for the reason given at FactorizedReduce.
    taken = nn.ReLU() if stride == 1 else nn.Sequential(nn.ReLU(), nn.AvgPool2d(1, stride))
    return nn.Sequential(
        taken,
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def _dense(kernel: int, dilation: int = 1) -> OperationBuilder:
    def build(channels: int, stride: int, affine: bool) -> nn.Module:
        padding = dilation * (kernel // 2)
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, stride, padding, dilation, bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )

    return build


def _separable(kernel: int, dilation: int = 1) -> OperationBuilder:
    def build(channels: int, stride: int, affine: bool) -> nn.Module:
        padding = dilation * (kernel // 2)
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, stride, padding, dilation, channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )

    return build


def _twice(build: OperationBuilder) -> OperationBuilder:
    """One after the other; only the first is strided."""
    return lambda channels, stride, affine: nn.Sequential(
        build(channels, stride, affine), build(channels, 1, affine)
    )


def _cross(length: int) -> OperationBuilder:
    def build(channels: int, stride: int, affine: bool) -> nn.Module:
        reach = length // 2
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(
                channels,
                channels,
                (1, length),
                (1, stride),
                (0, reach),
                groups=channels,
                bias=False,
            ),
            nn.Conv2d(
                channels,
                channels,
                (length, 1),
                (stride, 1),
                (reach, 0),
                groups=channels,
                bias=False,
            ),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )

    return build


def _dense_cross(channels: int, stride: int, affine: bool) -> nn.Module:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
        nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def _skip(channels: int, stride: int, affine: bool) -> nn.Module:
    if stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.ReLU(), FactorizedReduce(channels, channels, affine))


OPERATIONS: Mapping[str, OperationBuilder] = MappingProxyType(
    {
        "none": lambda channels, stride, affine: Zero(stride),
        "skip": _skip,
        "conv_1x1": _pointwise,
        "sep_3x3": _separable(3),
        "sep_5x5": _separable(5),
        "sep_7x7": _separable(7),
        "sep_3x3_twice": _twice(_separable(3)),
        "sep_5x5_twice": _twice(_separable(5)),
        "sep_7x7_twice": _twice(_separable(7)),
        "dil_3x3_r2": _separable(3, 2),
        "dil_3x3_r3": _separable(3, 3),
        "dil_5x5_r2": _separable(5, 2),
        "conv_1x3_3x1": _cross(3),
        "conv_1x5_5x1": _cross(5),
        "dense_3x3": _dense(3),
        "dense_1x7_7x1": _dense_cross,
        "max_pool_3x3": lambda channels, stride, affine: nn.MaxPool2d(3, stride, 1),
        "avg_pool_3x3": lambda channels, stride, affine: nn.AvgPool2d(
            3, stride, 1, count_include_pad=False
        ),
    }
)

#: operations without normalisation of their own; a mixed edge adds one, so that the scale of its
#: candidates is comparable (as DARTS does)
POOLING = frozenset({"max_pool_3x3", "avg_pool_3x3"})


#: separable operations as one dense convolution with the same field of view
DENSE_FORMS: Mapping[str, OperationBuilder] = MappingProxyType(
    {
        "sep_3x3": _dense(3),
        "sep_5x5": _dense(5),
        "sep_7x7": _dense(7),
        "dil_3x3_r2": _dense(3, 2),
        "dil_3x3_r3": _dense(3, 3),
        "dil_5x5_r2": _dense(5, 2),
    }
)


def build_operation(
    name: str, channels: int, stride: int = 1, affine: bool = True, *, dense: bool = False
) -> nn.Module:
    """The module of an operation; (B, channels, H, W) -> the same, or half the size at stride 2.

    ``dense`` takes the dense form of an operation that has one.
    """
    forms = {**OPERATIONS, **DENSE_FORMS} if dense else OPERATIONS
    return forms[name](channels, stride, affine)

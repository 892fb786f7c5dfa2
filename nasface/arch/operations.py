"""The operations that an edge may carry, one entry each.

Search, fixed cells, cost, exports, drawings and texts all read this table. It is read without
torch: modules are built by functions of :mod:`nasface.nn.operations`, imported when first used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nasface.arch.names import check_name
from nasface.errors import SpecError
from nasface.registry import Lazy, Registry

Builder = Callable[[int, int, bool], Any]
"""(channels, stride, affine) -> torch module.

The module maps (B, channels, H, W) to the same at stride 1 and to ceil(H/2), ceil(W/2) at stride 2;
``affine`` says whether its normalisations have learned scales."""


@dataclass(frozen=True)
class Operation:
    """An operation.

    Args:
        name: how spaces and genotypes name it.
        text: what it is, for help texts, reports and drawings.
        build: makes its module. Plain Python export copies the source: a function or class of a
            module, or a ``functools.partial`` of one.
        dense: makes its dense form, for cells as bottlenecks of dense convolutions; ``build`` is
            used there if it has none.
        needs_norm: whether it has no normalisation of its own. An edge with several candidates then
            adds one, so that their scales are comparable (as DARTS does behind pooling).
    """

    name: str
    text: str
    build: Builder
    dense: Builder | None = None
    needs_norm: bool = False


OPERATIONS: Registry[Operation] = Registry("operation", SpecError)
"""Name -> operation. The order is that of colours in drawings."""


def register_operation(operation: Operation) -> None:
    """Add an operation; spaces and genotypes may then name it.

    Raises:
        SpecError: if the name is taken, or is not a letter followed by letters, digits or
            underscores.
    """
    OPERATIONS.check_entry(operation, Operation)
    check_name("operation", operation.name)
    OPERATIONS.add(operation.name, operation)


def _layer(function: str, **settings: int) -> Lazy:
    return Lazy(f"nasface.nn.operations:{function}", **settings)


for _each in (
    Operation("none", "no connection", _layer("none")),
    Operation(
        "skip",
        "identity (a strided, pointwise one where the edge halves the resolution)",
        _layer("skip"),
    ),
    Operation("conv_1x1", "1x1 convolution", _layer("pointwise")),
    Operation(
        "sep_3x3",
        "separable 3x3 convolution",
        _layer("separable", kernel=3),
        dense=_layer("dense", kernel=3),
    ),
    Operation(
        "sep_5x5",
        "separable 5x5 convolution",
        _layer("separable", kernel=5),
        dense=_layer("dense", kernel=5),
    ),
    Operation(
        "sep_7x7",
        "separable 7x7 convolution",
        _layer("separable", kernel=7),
        dense=_layer("dense", kernel=7),
    ),
    Operation(
        "sep_3x3_twice",
        "two separable 3x3 convolutions (sep_conv_3x3 of DARTS)",
        _layer("separable_twice", kernel=3),
    ),
    Operation(
        "sep_5x5_twice",
        "two separable 5x5 convolutions (sep_conv_5x5 of DARTS)",
        _layer("separable_twice", kernel=5),
    ),
    Operation(
        "sep_7x7_twice",
        "two separable 7x7 convolutions (sep_conv_7x7 of DARTS)",
        _layer("separable_twice", kernel=7),
    ),
    Operation(
        "dil_3x3_r2",
        "separable 3x3 convolution, dilation 2",
        _layer("separable", kernel=3, dilation=2),
        dense=_layer("dense", kernel=3, dilation=2),
    ),
    Operation(
        "dil_3x3_r3",
        "separable 3x3 convolution, dilation 3",
        _layer("separable", kernel=3, dilation=3),
        dense=_layer("dense", kernel=3, dilation=3),
    ),
    Operation(
        "dil_5x5_r2",
        "separable 5x5 convolution, dilation 2",
        _layer("separable", kernel=5, dilation=2),
        dense=_layer("dense", kernel=5, dilation=2),
    ),
    Operation("conv_1x3_3x1", "depthwise 1x3 and 3x1, then 1x1", _layer("cross", length=3)),
    Operation("conv_1x5_5x1", "depthwise 1x5 and 5x1, then 1x1", _layer("cross", length=5)),
    Operation("dense_3x3", "dense 3x3 convolution", _layer("dense", kernel=3)),
    Operation(
        "dense_1x7_7x1",
        "dense 1x7 and 7x1 convolutions (conv_7x1_1x7 of DARTS)",
        _layer("dense_cross"),
    ),
    Operation("max_pool_3x3", "3x3 max pooling", _layer("max_pool"), needs_norm=True),
    Operation("avg_pool_3x3", "3x3 average pooling", _layer("avg_pool"), needs_norm=True),
    Operation(
        "narrow_3x3",
        "1x1 convolution to a quarter of the channels, then dense 3x3",
        _layer("narrow", kernel=3),
    ),
):
    register_operation(_each)

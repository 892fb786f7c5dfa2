"""Convolution, batch normalisation and pooling of torch, in ONNX."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from nasface.deploy.onnx_graph.emitter import Emitter, OperatorTable
from nasface.deploy.onnx_graph.recording import NotRecordableError, Value

LAYER_OPERATORS = OperatorTable("operator of torch")


@LAYER_OPERATORS.writes("convolution")
def _convolution(
    emitter: Emitter,
    x: Value,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> str:
    if transposed or not isinstance(weight, Tensor):
        raise NotRecordableError("a transposed convolution, or one with computed weights")
    constants = [weight] if bias is None else [weight, bias]
    return emitter.graph.add(
        "Conv",
        emitter.name(x),
        *map(emitter.graph.floats, constants),
        kernel_shape=list(weight.shape[2:]),
        strides=list(stride),
        pads=[*padding, *padding],
        dilations=list(dilation),
        group=groups,
    )


@LAYER_OPERATORS.writes("native_batch_norm", "_native_batch_norm_legit_no_training")
def _normalise(
    emitter: Emitter, x: Value, weight: Any, bias: Any, mean: Tensor, variance: Tensor, *rest: Any
) -> str:
    if len(rest) == 3 and rest[0]:
        raise NotRecordableError("a normalisation in training")
    factor = (variance + rest[-1]).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * factor
    scaled = emitter.graph.add("Mul", emitter.name(x), emitter.graph.floats(factor[:, None, None]))
    return emitter.graph.add("Add", scaled, emitter.graph.floats(shift[:, None, None]))


@LAYER_OPERATORS.writes("max_pool2d_with_indices")
def _max_pool(
    emitter: Emitter,
    x: Value,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    ceil: bool = False,
) -> str:
    return emitter.graph.add(
        "MaxPool",
        emitter.name(x),
        kernel_shape=_pair(kernel),
        strides=_pair(stride or kernel),
        pads=_pair(padding) * 2,
        dilations=_pair(dilation),
        ceil_mode=int(ceil),
    )


@LAYER_OPERATORS.writes("avg_pool2d")
def _average_pool(
    emitter: Emitter,
    x: Value,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    ceil: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> str:
    if divisor is not None:
        raise NotRecordableError("an average with a divisor of its own")
    return emitter.graph.add(
        "AveragePool",
        emitter.name(x),
        kernel_shape=_pair(kernel),
        strides=_pair(stride or kernel),
        pads=_pair(padding) * 2,
        ceil_mode=int(ceil),
        count_include_pad=int(count_include_pad),
    )


def _pair(value: Sequence[int]) -> list[int]:
    return list(value) * (2 // len(value))

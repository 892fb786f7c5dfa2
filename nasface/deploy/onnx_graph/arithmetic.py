"""Operators of torch that compute element by element or reduce axes, in ONNX."""

from collections.abc import Sequence
from typing import Any

from nasface.deploy.onnx_graph.emitter import Emitter, OperatorTable, OperatorWriter
from nasface.deploy.onnx_graph.recording import NotRecordableError, Value

ARITHMETIC_OPERATORS = OperatorTable("operator of torch")


def _elementwise(operator: str) -> OperatorWriter:
    def write(emitter: Emitter, *values: Any) -> str:
        return emitter.graph.add(operator, *map(emitter.name, values))

    return write


for _name, _operator in {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "hardswish": "HardSwish",
    "exp": "Exp",
    "sqrt": "Sqrt",
    "neg": "Neg",
    "abs": "Abs",
    "mul": "Mul",
    "div": "Div",
    "maximum": "Max",
    "minimum": "Min",
    "lt": "Less",
    "_prelu_kernel": "PRelu",
}.items():
    ARITHMETIC_OPERATORS.writes(_name)(_elementwise(_operator))


@ARITHMETIC_OPERATORS.writes("add")
def _add(emitter: Emitter, one: Any, other: Any, *, alpha: float = 1) -> str:
    return emitter.graph.add("Add", emitter.name(one), _times(emitter, other, alpha))


@ARITHMETIC_OPERATORS.writes("sub")
def _subtract(emitter: Emitter, one: Any, other: Any, *, alpha: float = 1) -> str:
    return emitter.graph.add("Sub", emitter.name(one), _times(emitter, other, alpha))


def _times(emitter: Emitter, value: Any, factor: float) -> str:
    name = emitter.name(value)
    return name if factor == 1 else emitter.graph.add("Mul", name, emitter.graph.floats(factor))


@ARITHMETIC_OPERATORS.writes("silu")
def _silu(emitter: Emitter, x: Value) -> str:
    name = emitter.name(x)
    return emitter.graph.add("Mul", name, emitter.graph.add("Sigmoid", name))


@ARITHMETIC_OPERATORS.writes("clamp_min", "clamp", "hardtanh")
def _clamp(emitter: Emitter, x: Value, low: float | None = None, high: float | None = None) -> str:
    limits = ["" if each is None else emitter.graph.floats(each) for each in (low, high)]
    return emitter.graph.add("Clip", emitter.name(x), *limits)


@ARITHMETIC_OPERATORS.writes("leaky_relu")
def _leaky_relu(emitter: Emitter, x: Value, slope: float = 0.01) -> str:
    return emitter.graph.add("LeakyRelu", emitter.name(x), alpha=slope)


@ARITHMETIC_OPERATORS.writes("masked_fill")
def _masked_fill(emitter: Emitter, x: Value, mask: Value, value: float) -> str:
    names = emitter.name(mask), emitter.graph.floats(value), emitter.name(x)
    return emitter.graph.add("Where", *names)


@ARITHMETIC_OPERATORS.writes("zeros_like")
def _zeros(emitter: Emitter, x: Value, **_: Any) -> str:
    return emitter.graph.add("Mul", emitter.name(x), emitter.graph.floats(0.0))


@ARITHMETIC_OPERATORS.writes("_softmax")
def _softmax(emitter: Emitter, x: Value, axis: int, _: bool) -> str:
    return emitter.graph.add("Softmax", emitter.name(x), axis=axis)


def _reduction(operator: str) -> OperatorWriter:
    def write(
        emitter: Emitter, x: Value, axes: Sequence[int] = (), keep: bool = False, **_: Any
    ) -> str:
        if isinstance(axes, int):
            axes = (axes,)
        places = [emitter.graph.integers(*axes)] if axes else []
        return emitter.graph.add(operator, emitter.name(x), *places, keepdims=int(keep))

    return write


for _name, _operator in {"amax": "ReduceMax", "mean": "ReduceMean", "sum": "ReduceSum"}.items():
    ARITHMETIC_OPERATORS.writes(_name)(_reduction(_operator))


@ARITHMETIC_OPERATORS.writes("linalg_vector_norm")
def _norm(
    emitter: Emitter, x: Value, order: float = 2, axes: Any = None, keep: bool = False, **_: Any
) -> str:
    if order != 2 or axes is None:
        raise NotRecordableError("a norm other than the Euclidean one along an axis")
    places = emitter.graph.integers(*axes)
    return emitter.graph.add("ReduceL2", emitter.name(x), places, keepdims=int(keep))

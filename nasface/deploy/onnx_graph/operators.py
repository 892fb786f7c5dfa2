"""What torch's operators are in ONNX.

A writer takes the :class:`Emitter` and the arguments of the call, fills in what torch's schema has
as defaults, and returns the name of its output, or of each output.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch import Tensor

from nasface.deploy.onnx_graph.builder import GraphBuilder
from nasface.deploy.onnx_graph.recording import (
    Call,
    NotRecordableError,
    Recording,
    Value,
    Varying,
    in_both_runs,
)
from nasface.registry import Registry

OperatorWriter = Callable[..., str | list[str]]
_Writer = TypeVar("_Writer", bound=OperatorWriter)

OPERATORS: Registry[OperatorWriter] = Registry("operator of torch")
"""Name without overload, such as ``aten.relu`` -> writer."""

_LAST = 2**63 - 1
_COARSE = 32
"""Pixels from which on a stride counts as coarse; see :func:`_bilinear`."""


class Emitter:
    """Turns the calls of a recording into nodes."""

    def __init__(self, recording: Recording, graph: GraphBuilder, images: str) -> None:
        self.recording, self.graph = recording, graph
        self._names = {recording.images: images}

    def emit(self) -> list[str]:
        """Add all calls; returns the names of the outputs.

        Raises:
            NotRecordableError: naming an operator that is not in the table.
        """
        for call in self.recording.calls:
            self._emit(call)
        return [self.name(each) for each in self.recording.outputs]

    def name(self, value: "Value | Varying | Tensor | float") -> str:
        """Return the name of a value or constant."""
        if isinstance(value, Value):
            return self._names[value]
        if isinstance(value, Varying):
            raise NotRecordableError("a factor or term that depends on the size of the images")
        return self.graph.floats(value)

    def shape_of(self, sides: Sequence[int | Varying]) -> str:
        """Return the shape of a map (B, C, H, W) that has the wanted height and width.

        Raises:
            NotRecordableError: if there is no such map so far.
        """
        wanted = in_both_runs(sides)
        for value, name in self._names.items():
            first, second = value.shapes
            if len(first) == 4 and (first[2:], second[2:]) == wanted:
                return self.graph.add("Shape", name)
        raise NotRecordableError("an enlargement to a size that no map has")

    def _emit(self, call: Call) -> None:
        operator = ".".join(call.operator.split(".")[:2]).removesuffix("_")
        if operator not in OPERATORS:
            raise NotRecordableError(f"{call.operator} has no form in ONNX here")
        found = OPERATORS[operator](self, *call.arguments, **call.settings)
        # Further results, such as the positions of greatest values, go without a name.
        names = [found] if isinstance(found, str) else found
        self._names.update(zip(call.results, names, strict=False))


def _register(*names: str) -> Callable[[_Writer], _Writer]:
    def add(writer: _Writer) -> _Writer:
        for name in names:
            OPERATORS.add(f"aten.{name}", writer)
        return writer

    return add


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
    _register(_name)(_elementwise(_operator))


@_register("add")
def _add(emitter: Emitter, one: Any, other: Any, *, alpha: float = 1) -> str:
    return emitter.graph.add("Add", emitter.name(one), _times(emitter, other, alpha))


@_register("sub")
def _subtract(emitter: Emitter, one: Any, other: Any, *, alpha: float = 1) -> str:
    return emitter.graph.add("Sub", emitter.name(one), _times(emitter, other, alpha))


def _times(emitter: Emitter, value: Any, factor: float) -> str:
    name = emitter.name(value)
    return name if factor == 1 else emitter.graph.add("Mul", name, emitter.graph.floats(factor))


@_register("silu")
def _silu(emitter: Emitter, x: Value) -> str:
    name = emitter.name(x)
    return emitter.graph.add("Mul", name, emitter.graph.add("Sigmoid", name))


@_register("clamp_min", "clamp", "hardtanh")
def _clamp(emitter: Emitter, x: Value, low: float | None = None, high: float | None = None) -> str:
    limits = ["" if each is None else emitter.graph.floats(each) for each in (low, high)]
    return emitter.graph.add("Clip", emitter.name(x), *limits)


@_register("leaky_relu")
def _leaky_relu(emitter: Emitter, x: Value, slope: float = 0.01) -> str:
    return emitter.graph.add("LeakyRelu", emitter.name(x), alpha=slope)


@_register("masked_fill")
def _masked_fill(emitter: Emitter, x: Value, mask: Value, value: float) -> str:
    names = emitter.name(mask), emitter.graph.floats(value), emitter.name(x)
    return emitter.graph.add("Where", *names)


@_register("zeros_like")
def _zeros(emitter: Emitter, x: Value, **_: Any) -> str:
    return emitter.graph.add("Mul", emitter.name(x), emitter.graph.floats(0.0))


@_register("clone", "detach", "alias", "contiguous", "expand")
def _same(emitter: Emitter, x: Value, *_: Any, **__: Any) -> str:
    # What is expanded meets a larger tensor, to which ONNX fits it again.
    return emitter.name(x)


@_register("convolution")
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


@_register("native_batch_norm", "_native_batch_norm_legit_no_training")
def _normalise(
    emitter: Emitter, x: Value, weight: Any, bias: Any, mean: Tensor, variance: Tensor, *rest: Any
) -> str:
    if len(rest) == 3 and rest[0]:
        raise NotRecordableError("a normalisation in training")
    factor = (variance + rest[-1]).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * factor
    scaled = emitter.graph.add("Mul", emitter.name(x), emitter.graph.floats(factor[:, None, None]))
    return emitter.graph.add("Add", scaled, emitter.graph.floats(shift[:, None, None]))


@_register("max_pool2d_with_indices")
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


@_register("avg_pool2d")
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


@_register("upsample_nearest2d")
def _nearest(emitter: Emitter, x: Value, size: Sequence[int | Varying], *_: Any) -> str:
    return _resize(emitter, x, size, "nearest", "asymmetric", nearest_mode="floor")


@_register("upsample_bilinear2d")
def _bilinear(
    emitter: Emitter, x: Value, size: Sequence[int | Varying], align_corners: bool, *_: Any
) -> str:
    """A Resize; for maps of coarse levels two products of matrices instead.

    OpenCV 5.0.0 reads beyond a map of one row or column there. The matrices hold the tent
    function of what bilinear enlargement with aligned corners is a sum of, for one row as well;
    such maps are so small that the products take no time.
    """
    height = emitter.recording.images.shapes[0][-2]
    is_coarse = x.shapes[0][-2] * (_COARSE - 1) <= height
    if not align_corners:
        return _resize(emitter, x, size, "linear", "half_pixel")
    if not is_coarse or all(isinstance(each, int) for each in size):
        return _resize(emitter, x, size, "linear", "align_corners")
    rows = _tent(emitter, x, size, 2)
    columns = emitter.graph.add("Transpose", _tent(emitter, x, size, 3), perm=[1, 0])
    wide = emitter.graph.add("MatMul", emitter.name(x), columns)
    return emitter.graph.add("MatMul", rows, wide)


def _tent(emitter: Emitter, x: Value, size: Sequence[int | Varying], axis: int) -> str:
    """Weights (new, old) by which a map is enlarged along an axis."""
    graph = emitter.graph
    new = graph.add("Gather", emitter.shape_of(size), graph.integer(axis))
    old = graph.add("Gather", graph.add("Shape", emitter.name(x)), graph.integer(axis))
    steps = graph.add("Max", graph.add("Sub", new, graph.integer(1)), graph.integer(1))
    kind = "FLOAT16" if graph.half else "FLOAT"
    ratio = graph.add(
        "Div",
        graph.cast(graph.add("Sub", old, graph.integer(1)), "FLOAT"),
        graph.cast(steps, "FLOAT"),
    )
    ends = (graph.integer(0), graph.integer(1))
    numbers = [
        graph.cast(graph.add("Range", ends[0], each, ends[1]), "FLOAT") for each in (new, old)
    ]
    place = graph.add("Unsqueeze", graph.add("Mul", numbers[0], ratio), graph.integers(1))
    away = graph.add("Abs", graph.add("Sub", place, numbers[1]))
    one = graph.cast(ends[1], "FLOAT")
    weights = graph.add("Relu", graph.add("Sub", one, away))
    return weights if kind == "FLOAT" else graph.cast(weights, kind)


def _resize(
    emitter: Emitter, x: Value, size: Sequence[int | Varying], mode: str, place: str, **more: Any
) -> str:
    graph, name = emitter.graph, emitter.name(x)
    if all(isinstance(each, int) for each in size):
        sizes = graph.integers(*x.shapes[0][:2], *(each for each in size if isinstance(each, int)))
    else:
        first = graph.add("Slice", graph.add("Shape", name), graph.integers(0), graph.integers(2))
        like = emitter.shape_of(size)
        last = graph.add("Slice", like, graph.integers(2), graph.integers(4))
        sizes = graph.add("Concat", first, last, axis=0)
    return graph.add(
        "Resize", name, "", "", sizes, mode=mode, coordinate_transformation_mode=place, **more
    )


@_register("view", "_unsafe_view", "reshape")
def _reshape(emitter: Emitter, x: Value, shape: Sequence[int | Varying]) -> str:
    """A Reshape whose dimensions are copied (0) where they vary, and one of them inferred (-1)."""
    wanted: list[int] = []
    for at, each in enumerate(shape):
        before = [run[at] if at < len(run) else None for run in x.shapes]
        if isinstance(each, int):
            wanted.append(each)
        elif [each.first, each.second] == before:
            wanted.append(0)
        else:
            wanted.append(-1)
    if wanted.count(-1) > 1:
        raise NotRecordableError("a view with two dimensions that depend on the size of the images")
    return emitter.graph.add("Reshape", emitter.name(x), emitter.graph.integers(*wanted))


@_register("permute")
def _permute(emitter: Emitter, x: Value, order: Sequence[int]) -> str:
    dimensions = len(x.shapes[0])
    return emitter.graph.add(
        "Transpose", emitter.name(x), perm=[each % dimensions for each in order]
    )


@_register("transpose")
def _transpose(emitter: Emitter, x: Value, one: int, other: int) -> str:
    order = list(range(len(x.shapes[0])))
    order[one], order[other] = order[other], order[one]
    return _permute(emitter, x, order)


@_register("slice")
def _slice(
    emitter: Emitter,
    x: Value,
    axis: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> str:
    if isinstance(start, Varying) or isinstance(end, Varying):
        raise NotRecordableError("a slice whose ends depend on the size of the images")
    if not start and step == 1 and (end is None or end >= _LAST):
        return emitter.name(x)
    limits = (start or 0, _LAST if end is None else end, axis, step)
    return emitter.graph.add("Slice", emitter.name(x), *map(emitter.graph.integers, limits))


@_register("select")
def _select(emitter: Emitter, x: Value, axis: int, index: int) -> str:
    return emitter.graph.add("Gather", emitter.name(x), emitter.graph.integer(index), axis=axis)


@_register("unsqueeze")
def _unsqueeze(emitter: Emitter, x: Value, axis: int) -> str:
    return emitter.graph.add("Unsqueeze", emitter.name(x), emitter.graph.integers(axis))


@_register("squeeze")
def _squeeze(emitter: Emitter, x: Value, axis: int) -> str:
    return emitter.graph.add("Squeeze", emitter.name(x), emitter.graph.integers(axis))


@_register("cat")
def _concatenate(emitter: Emitter, parts: Sequence[Value], axis: int = 0) -> str:
    return emitter.graph.add("Concat", *map(emitter.name, parts), axis=axis)


@_register("split_with_sizes")
def _split(emitter: Emitter, x: Value, sizes: Sequence[int], axis: int = 0) -> list[str]:
    inputs = [emitter.name(x), emitter.graph.integers(*sizes)]
    return emitter.graph.add_several("Split", inputs, len(sizes), axis=axis)


@_register("constant_pad_nd")
def _pad(emitter: Emitter, x: Value, margins: Sequence[int | Varying], value: float = 0) -> str:
    before, after = [0] * len(x.shapes[0]), [0] * len(x.shapes[0])
    for at, margin in enumerate(margins):  # before and after the last axis, then the one before it
        if isinstance(margin, Varying):
            raise NotRecordableError("a margin that depends on the size of the images")
        (after if at % 2 else before)[-1 - at // 2] = margin
    margins_of_all = emitter.graph.integers(*before, *after)
    return emitter.graph.add("Pad", emitter.name(x), margins_of_all, emitter.graph.floats(value))


@_register("stack")
def _stack(emitter: Emitter, parts: Sequence[Value], axis: int = 0) -> str:
    place = emitter.graph.integers(axis)
    names = [emitter.graph.add("Unsqueeze", emitter.name(each), place) for each in parts]
    return emitter.graph.add("Concat", *names, axis=axis)


@_register("_softmax")
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
    _register(_name)(_reduction(_operator))


@_register("linalg_vector_norm")
def _norm(
    emitter: Emitter, x: Value, order: float = 2, axes: Any = None, keep: bool = False, **_: Any
) -> str:
    if order != 2 or axes is None:
        raise NotRecordableError("a norm other than the Euclidean one along an axis")
    places = emitter.graph.integers(*axes)
    return emitter.graph.add("ReduceL2", emitter.name(x), places, keepdims=int(keep))


def _pair(value: Sequence[int]) -> list[int]:
    return list(value) * (2 // len(value))

"""Operators of torch that reorder, cut and join tensors, in ONNX."""

from collections.abc import Sequence
from typing import Any

from nasface.deploy.onnx_graph.emitter import Emitter, OperatorTable
from nasface.deploy.onnx_graph.recording import NotRecordableError, Value, Varying

_LAST = 2**63 - 1


SHAPE_OPERATORS = OperatorTable("operator of torch")


@SHAPE_OPERATORS.writes("clone", "detach", "alias", "contiguous", "expand")
def _same(emitter: Emitter, x: Value, *_: Any, **__: Any) -> str:
    # What is expanded meets a larger tensor, to which ONNX fits it again.
    return emitter.name(x)


@SHAPE_OPERATORS.writes("view", "_unsafe_view", "reshape")
def _reshape(emitter: Emitter, x: Value, shape: Sequence[int | Varying]) -> str:
    """Add a Reshape whose dimensions are copied (0) where they vary, and one of them inferred
    (-1)."""
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


@SHAPE_OPERATORS.writes("permute")
def _permute(emitter: Emitter, x: Value, order: Sequence[int]) -> str:
    dimensions = len(x.shapes[0])
    return emitter.graph.add(
        "Transpose", emitter.name(x), perm=[each % dimensions for each in order]
    )


@SHAPE_OPERATORS.writes("transpose")
def _transpose(emitter: Emitter, x: Value, one: int, other: int) -> str:
    order = list(range(len(x.shapes[0])))
    order[one], order[other] = order[other], order[one]
    return _permute(emitter, x, order)


@SHAPE_OPERATORS.writes("slice")
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


@SHAPE_OPERATORS.writes("select")
def _select(emitter: Emitter, x: Value, axis: int, index: int) -> str:
    return emitter.graph.add("Gather", emitter.name(x), emitter.graph.integer(index), axis=axis)


@SHAPE_OPERATORS.writes("unsqueeze")
def _unsqueeze(emitter: Emitter, x: Value, axis: int) -> str:
    return emitter.graph.add("Unsqueeze", emitter.name(x), emitter.graph.integers(axis))


@SHAPE_OPERATORS.writes("squeeze")
def _squeeze(emitter: Emitter, x: Value, axis: int) -> str:
    return emitter.graph.add("Squeeze", emitter.name(x), emitter.graph.integers(axis))


@SHAPE_OPERATORS.writes("cat")
def _concatenate(emitter: Emitter, parts: Sequence[Value], axis: int = 0) -> str:
    return emitter.graph.add("Concat", *map(emitter.name, parts), axis=axis)


@SHAPE_OPERATORS.writes("split_with_sizes")
def _split(emitter: Emitter, x: Value, sizes: Sequence[int], axis: int = 0) -> list[str]:
    inputs = [emitter.name(x), emitter.graph.integers(*sizes)]
    return emitter.graph.add_several("Split", inputs, len(sizes), axis=axis)


@SHAPE_OPERATORS.writes("constant_pad_nd")
def _pad(emitter: Emitter, x: Value, margins: Sequence[int | Varying], value: float = 0) -> str:
    before, after = [0] * len(x.shapes[0]), [0] * len(x.shapes[0])
    for at, margin in enumerate(margins):  # before and after the last axis, then the one before it
        if isinstance(margin, Varying):
            raise NotRecordableError("a margin that depends on the size of the images")
        (after if at % 2 else before)[-1 - at // 2] = margin
    margins_of_all = emitter.graph.integers(*before, *after)
    return emitter.graph.add("Pad", emitter.name(x), margins_of_all, emitter.graph.floats(value))


@SHAPE_OPERATORS.writes("stack")
def _stack(emitter: Emitter, parts: Sequence[Value], axis: int = 0) -> str:
    place = emitter.graph.integers(axis)
    names = [emitter.graph.add("Unsqueeze", emitter.name(each), place) for each in parts]
    return emitter.graph.add("Concat", *names, axis=axis)

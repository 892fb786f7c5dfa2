"""Enlargements of torch, in ONNX."""

from collections.abc import Sequence
from typing import Any

from nasface.deploy.onnx_graph.emitter import Emitter, OperatorTable
from nasface.deploy.onnx_graph.recording import Value, Varying

_COARSE = 32
"""Pixels from which on a stride counts as coarse; see :func:`_bilinear`."""


RESIZE_OPERATORS = OperatorTable("operator of torch")


@RESIZE_OPERATORS.writes("upsample_nearest2d")
def _nearest(emitter: Emitter, x: Value, size: Sequence[int | Varying], *_: Any) -> str:
    return _resize(emitter, x, size, "nearest", "asymmetric", nearest_mode="floor")


@RESIZE_OPERATORS.writes("upsample_bilinear2d")
def _bilinear(
    emitter: Emitter, x: Value, size: Sequence[int | Varying], align_corners: bool, *_: Any
) -> str:
    """Add a Resize; for maps of coarse levels two products of matrices instead.

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
    """Add the weights (new, old) by which a map is enlarged along an axis."""
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

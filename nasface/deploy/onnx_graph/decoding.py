"""Anchors and boxes in an ONNX graph; what :mod:`nasface.detection` computes, node by node."""

import math

import torch
from torch import Tensor

from nasface.deploy.onnx_graph.builder import GraphBuilder
from nasface.detection.anchors import make_anchors
from nasface.detection.boxes import CENTRE_VARIANCE, LARGEST_LOG_SIZE, SIZE_VARIANCE
from nasface.detection.config import DetectorConfig


def anchors_of(config: DetectorConfig, height: int, width: int) -> Tensor:
    """Return the anchors (A, 4) of a detector for images of one size."""
    strides = [2**level for level in config.levels]
    sizes = [(-(-height // stride), -(-width // stride)) for stride in strides]
    return make_anchors(sizes, strides, config.anchors)


def add_anchors(graph: GraphBuilder, images: str, config: DetectorConfig) -> str:
    """Add the nodes that make the anchors (A, 4) of images of any size."""
    shape = graph.add("Shape", images)
    height, width = (graph.add("Gather", shape, graph.integer(axis)) for axis in (2, 3))
    levels = []
    strides = [2**level for level in config.levels]
    for stride, sides in zip(strides, config.anchors.sides_of(strides), strict=True):
        y = graph.add("Unsqueeze", _centres(graph, height, stride), graph.integers(1, 2, 3))
        x = graph.add("Unsqueeze", _centres(graph, width, stride), graph.integers(0, 2, 3))
        place = graph.add(
            "Add",
            graph.add("Mul", x, graph.floats([1.0, 0, 1, 0])),
            graph.add("Mul", y, graph.floats([0.0, 1, 0, 1])),
        )
        halves = [_half_sides(side, config.anchors.aspect) for side in sides]
        corners = torch.tensor([[-x, -y, x, y] for x, y in halves])
        at_positions = graph.add("Add", place, graph.floats(corners))
        levels.append(graph.add("Reshape", at_positions, graph.integers(-1, 4)))
    return levels[0] if len(levels) == 1 else graph.add("Concat", *levels, axis=0)


def add_decoding(graph: GraphBuilder, deltas: str, anchors: str | Tensor) -> str:
    """Return boxes (B, A, 4) from offsets; see :func:`nasface.detection.boxes.decode`.

    Anchors (A, 4) are a value of the graph or, for images of one size, constants.
    """
    if isinstance(anchors, Tensor):
        size = graph.floats(anchors[:, 2:] - anchors[:, :2])
        centre = graph.floats((anchors[:, :2] + anchors[:, 2:]) / 2)
    else:
        low, high = _columns(graph, anchors, 1)
        size = graph.add("Sub", high, low)
        centre = graph.add("Div", graph.add("Add", low, high), graph.floats(2.0))
    shift, growth = _columns(graph, deltas, 2)
    shift = graph.add("Mul", graph.add("Mul", shift, graph.floats(CENTRE_VARIANCE)), size)
    centre = graph.add("Add", centre, shift)
    growth = graph.add("Mul", growth, graph.floats(SIZE_VARIANCE))
    growth = graph.add("Exp", graph.add("Min", growth, graph.floats(LARGEST_LOG_SIZE)))
    half = graph.add("Div", graph.add("Mul", size, growth), graph.floats(2.0))
    corners = graph.add("Sub", centre, half), graph.add("Add", centre, half)
    return graph.add("Concat", *corners, axis=2)


def add_scores(graph: GraphBuilder, logits: str) -> str:
    """Add the scores (B, A) of a face from logits (B, A, 2)."""
    return graph.add("Gather", graph.add("Softmax", logits, axis=2), graph.integer(1), axis=2)


def _columns(graph: GraphBuilder, value: str, axis: int) -> tuple[str, str]:
    """Add the first two and the last two of four columns."""
    low, high = (
        graph.add("Slice", value, *map(graph.integers, (first, first + 2, axis)))
        for first in (0, 2)
    )
    return low, high


def _centres(graph: GraphBuilder, side: str, stride: int) -> str:
    """Add the centres of the positions along a side of so many pixels."""
    above = graph.add("Add", side, graph.integer(stride - 1))
    number = graph.add("Div", above, graph.integer(stride))
    positions = graph.cast(graph.add("Range", graph.integer(0), number, graph.integer(1)), "FLOAT")
    middle = graph.add("Add", positions, graph.floats(0.5))
    return graph.add("Mul", middle, graph.floats(float(stride)))


def _half_sides(side: float, aspect: float) -> tuple[float, float]:
    return side / math.sqrt(aspect) / 2, side * math.sqrt(aspect) / 2

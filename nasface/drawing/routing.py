"""The course of arrows and the places of their labels: clear of vertices, apart from each other.

Lengths are in inches. An arrow is a quadratic Bezier curve; its bend is the distance of the middle
of the curve from the straight line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasface.drawing.graph import Arrow, Vertex
from nasface.drawing.layout import LETTER, Point

Floats = NDArray[np.floating]
Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""
_Curve = tuple[Point, Point, Point]

LINE = 0.15
"""Height of a label."""
_T = np.linspace(0, 1, 33)
_BENDS = (0.0, 0.22, -0.22, 0.4, -0.4, 0.6, -0.6, 0.85, -0.85, 1.1, -1.1)
_SHARES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73, 0.2, 0.8)


@dataclass(frozen=True)
class Route:
    """An arrow's curve, from ``start`` by the control point to ``end``, and its label's place."""

    arrow: Arrow
    start: Point
    control: Point
    end: Point
    label: Point

    @property
    def points(self) -> Floats:
        """Points along the curve, (33, 2)."""
        return _points(self.start, self.control, self.end)

    def moved(self, x: float, y: float) -> "Route":
        """The route somewhere else."""
        ends = ((at[0] + x, at[1] + y) for at in (self.start, self.control, self.end, self.label))
        return Route(self.arrow, *ends)


def vertex_box(vertex: Vertex, place: Point) -> Box:
    """The box that a vertex covers."""
    x, y = place
    half = 0.14 if vertex.role == "product" else max(0.2, 0.1 + 0.045 * len(vertex.label))
    return x - half, y - 0.14, x + half, y + 0.14


def label_box(text: str, place: Point) -> Box:
    """The box that the label of an arrow covers."""
    x, y = place
    half = LETTER * len(text) / 2
    return x - half, y - LINE / 2, x + half, y + LINE / 2


def route_arrows(
    vertices: Sequence[Vertex], arrows: Sequence[Arrow], places: Mapping[str, Point]
) -> list[Route]:
    """A route for each arrow; short ones are straight if they can, long ones find a way round."""
    boxes = {each.name: vertex_box(each, places[each.name]) for each in vertices}

    def length(at: int) -> float:
        return float(np.hypot(*np.subtract(places[arrows[at].source], places[arrows[at].target])))

    order = sorted(range(len(arrows)), key=length)
    curves: dict[int, _Curve] = {}
    lines = np.zeros((0, len(_T), 2))
    for at in order:
        curves[at] = _best_curve(arrows[at], places, boxes, lines)
        lines = np.concatenate([lines, _points(*curves[at])[None]])
    taken = list(boxes.values())
    labels: dict[int, Point] = {}
    for position, at in enumerate(order):
        others = np.delete(lines, position, axis=0)
        text = arrows[at].label
        labels[at] = _best_label(text, lines[position], taken, others) if text else (0.0, 0.0)
        taken += [label_box(text, labels[at])] if text else []
    return [Route(arrow, *curves[at], labels[at]) for at, arrow in enumerate(arrows)]


def _best_curve(
    arrow: Arrow, places: Mapping[str, Point], boxes: Mapping[str, Box], lines: Floats
) -> _Curve:
    """Clear of other vertices if possible, then off the lines (K, 33, 2), then straight."""
    source, target = places[arrow.source], places[arrow.target]
    obstacles = [box for name, box in boxes.items() if name not in (arrow.source, arrow.target)]
    found: list[tuple[float, _Curve]] = []
    for bend in _BENDS:
        control = _control(source, target, bend)
        start = _leave(boxes[arrow.source], source, control)
        end = _leave(boxes[arrow.target], target, control)
        points = _points(start, control, end)
        hits = sum(_inside(points, box, 0.06).any() for box in obstacles)
        found.append((100 * hits + 8 * _shared(points, lines) + abs(bend), (start, control, end)))
    return min(found, key=lambda each: each[0])[1]


def _control(start: Point, end: Point, bend: float) -> Point:
    x, y = end[0] - start[0], end[1] - start[1]
    length = float(np.hypot(x, y)) or 1.0
    # The middle of the curve lies half as far from the line as its control point.
    across = (-y / length, x / length)
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    return middle[0] + 2 * bend * across[0], middle[1] + 2 * bend * across[1]


def _leave(box: Box, centre: Point, towards: Point) -> Point:
    """Where the line from the centre of a box leaves it, and a little further."""
    x, y = towards[0] - centre[0], towards[1] - centre[1]
    half_x, half_y = (box[2] - box[0]) / 2 + 0.02, (box[3] - box[1]) / 2 + 0.02
    share = min(half_x / abs(x) if x else np.inf, half_y / abs(y) if y else np.inf)
    return centre[0] + share * x, centre[1] + share * y


def _points(start: Point, control: Point, end: Point) -> Floats:
    t = _T[:, None]
    a, b, c = (np.array(each) for each in (start, control, end))
    points: Floats = (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c
    return points


def _inside(points: Floats, box: Box, margin: float) -> NDArray[np.bool_]:
    x, y = points[..., 0], points[..., 1]
    inside: NDArray[np.bool_] = (
        (x > box[0] - margin)
        & (x < box[2] + margin)
        & (y > box[1] - margin)
        & (y < box[3] + margin)
    )
    return inside


def _shared(points: Floats, lines: Floats) -> float:
    """How much of a curve runs along each of the lines, summed; a crossing counts little, lying on
    one from end to end much."""
    inner = points[4:-4]
    squares = sum((inner[:, None, None, at] - lines[None, :, :, at]) ** 2 for at in (0, 1))
    shares = (np.min(squares, axis=2, initial=np.inf) < 0.09**2).mean(axis=0)
    return float(shares.sum() + 10 * (shares > 0.9).sum())


def _best_label(text: str, line: Floats, taken: Sequence[Box], others: Floats) -> Point:
    """A place on the line, near its middle, off vertices, other labels and other lines."""
    found: list[tuple[float, Point]] = []
    for share in _SHARES:
        x, y = (float(value) for value in line[round(share * (len(line) - 1))])
        box = label_box(text, (x, y))
        covered = sum(_overlap(box, each) for each in taken)
        crossed = int(_inside(others, box, 0.0).any(axis=-1).sum())
        found.append((50 * covered + 2 * crossed + abs(share - 0.5), (x, y)))
    return min(found, key=lambda each: each[0])[1]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]

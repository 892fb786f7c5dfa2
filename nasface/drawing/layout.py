"""Where the vertices of a drawn cell are.

Lengths are in inches, x to the right, y upwards. A cell with nodes on several levels has a row for
each level, coarsest on top; a cell of one level is laid out as a tree that grows to the right.
"""

import re
from collections.abc import Mapping, Sequence

from nasface.drawing.graph import Arrow, Vertex

Point = tuple[float, float]

LETTER = 0.068
"""Width of a letter of an arrow's label."""
GAP = 0.62
"""Distance of two columns besides the labels between them: half of each vertex, and an arrow."""
ROW = 1.0
LANE = 0.7
STRIDES = 1.0
"""Room for the strides in front of rows."""


def place_vertices(
    vertices: Sequence[Vertex], arrows: Sequence[Arrow]
) -> tuple[dict[str, Point], dict[int, float]]:
    """The centres of all vertices, no two the same, and the heights of the levels' rows.

    A cell of one level has no rows.
    """
    levels = sorted({vertex.level for vertex in vertices})
    if len({vertex.level for vertex in vertices if vertex.role == "output"}) > 1:
        columns, left = _stems(vertices), STRIDES
        rows = {level: ROW * at for at, level in enumerate(levels)}
        heights = {vertex.name: rows[vertex.level] for vertex in vertices}
    else:
        columns, left, rows = _depths(vertices, arrows), 0.0, {}
        heights = _lanes(vertices, arrows, columns)
    at = _widths(columns, arrows)
    return {name: (left + at[columns[name]], heights[name]) for name in columns}, rows


def _widths(columns: Mapping[str, int], arrows: Sequence[Arrow]) -> list[float]:
    """Where each column is: as far behind the one before as the labels between them are long."""
    at = [0.0]
    for column in range(max(columns.values())):
        longest = max(
            (
                len(arrow.label)
                for arrow in arrows
                if columns[arrow.source] <= column < columns[arrow.target]
                and columns[arrow.target] - columns[arrow.source] == 1
            ),
            default=0,
        )
        at.append(at[-1] + GAP + max(0.3, LETTER * longest))
    return at


def _stems(vertices: Sequence[Vertex]) -> dict[str, int]:
    """Columns of a cell with several levels: names that differ by their number share one."""
    stem = {vertex.name: re.sub(r"\d+$", "", vertex.name) for vertex in vertices}
    order = list(dict.fromkeys(stem.values()))
    return {name: order.index(each) for name, each in stem.items()}


def _depths(vertices: Sequence[Vertex], arrows: Sequence[Arrow]) -> dict[str, int]:
    """Columns of a cell of one level: the longest path from an input; outputs share the last.

    In a comparison, a node that is computed after its source in one of the genotypes only is put
    behind those of its sources that are in front of it in the first.
    """
    depth: dict[str, int] = {}
    for vertex in vertices:
        sources = [arrow.source for arrow in arrows if arrow.target == vertex.name]
        depth[vertex.name] = 1 + max((depth.get(each, 0) for each in sources), default=-1)
    last = max(depth.values())
    return depth | {vertex.name: last for vertex in vertices if vertex.role == "output"}


def _lanes(
    vertices: Sequence[Vertex], arrows: Sequence[Arrow], depth: Mapping[str, int]
) -> dict[str, float]:
    """Heights in a cell of one level: each node beside the deepest of its sources, as in a tree."""
    children: dict[str, list[str]] = {vertex.name: [] for vertex in vertices}
    roots = []
    for vertex in vertices:
        sources = [
            arrow.source
            for arrow in arrows
            if arrow.target == vertex.name and depth[arrow.source] < depth[vertex.name]
        ]
        if not sources:
            roots.append(vertex.name)
        elif vertex.role != "output":
            children[max(sources, key=depth.__getitem__)].append(vertex.name)
    lanes: dict[str, float] = {}
    free = 0.0

    def settle(name: str) -> float:
        nonlocal free
        below = [settle(child) for child in children[name]]
        if not below:
            below, free = [free], free - LANE
        lanes[name] = sum(below) / len(below)
        return lanes[name]

    for name in roots:
        settle(name)
    for vertex in vertices:
        if vertex.role == "output":
            heights = [lanes[arrow.source] for arrow in arrows if arrow.target == vertex.name]
            lanes[vertex.name] = sum(heights) / len(heights)
    return lanes

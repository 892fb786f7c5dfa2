"""Layout of a drawn cell, of vertices and arrows, by Graphviz' ``dot``.

Columns are the layers of the graph, as networkx finds them. What stands on an arrow is a vertex of
its own, half way between the arrow's ends, so that a label lies on its line and nothing lies on
anything else. In a cell with outputs on several levels each level is a row, the coarsest on top.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import networkx as nx

from nasface.drawing.fonts import prepare_fonts
from nasface.drawing.graph import Arrow, Vertex
from nasface.drawing.style import STYLES, label_style, text_style, vertex_style

if TYPE_CHECKING:
    from pygraphviz import AGraph

NodeKey = tuple[str, str, int]
"""Source and target of an arrow, and which of several arrows between the two it is."""


def keyed(arrows: Sequence[Arrow]) -> dict[NodeKey, Arrow]:
    """Return the arrows by what tells them apart."""
    seen: Counter[tuple[str, str]] = Counter()
    found = {}
    for arrow in arrows:
        ends = (arrow.source, arrow.target)
        found[(*ends, seen[ends])] = arrow
        seen[ends] += 1
    return found


def new_graph(**attributes: str) -> "AGraph":
    """Return an empty graph of Graphviz in the style of all drawings."""
    from pygraphviz import AGraph

    prepare_fonts()
    graph = AGraph(directed=True, strict=False, **attributes)
    graph.graph_attr.update(STYLES["graph"])
    graph.node_attr.update(STYLES["node"])
    graph.edge_attr.update(STYLES["edge"])
    return graph


def lay_out(vertices: Sequence[Vertex], arrows: Sequence[Arrow]) -> "AGraph":
    """Return a cell with all places given, in points: ``pos`` of vertices and edges, ``bb`` of the
    whole.

    :func:`label_name` names the vertex that carries an arrow's label, :func:`segments` its edges.
    """
    graph = new_graph(rankdir="LR", nodesep="0.13", ranksep="0.2")
    for vertex in vertices:
        graph.add_node(vertex.name, **vertex_style(vertex))
    column = columns(vertices, arrows)
    for key, arrow in keyed(arrows).items():
        _add_arrow(graph, key, arrow, column[arrow.target] - column[arrow.source])
    if is_pyramid(vertices):
        _add_rows(graph, vertices, column)
        _lift(graph, vertices, column, arrows)
    else:
        _add_order(graph, [each.name for each in vertices if each.role == "input"])
    graph.layout("dot")
    return graph


def label_name(key: NodeKey) -> str:
    """Return the name of the vertex that carries an arrow's label."""
    source, target, number = key
    return f"{source} > {target}" + (f" {number + 1}" if number else "")


def segments(key: NodeKey, arrow: Arrow) -> Iterator[tuple[str, str, str]]:
    """Yield the start, end and key of the edges that draw an arrow: one, or one on each side of its
    label."""
    middle = label_name(key)
    stops = (arrow.source, middle, arrow.target) if arrow.label else (arrow.source, arrow.target)
    for start, end in pairwise(stops):
        yield start, end, f"{middle}: {end}"


def columns(vertices: Sequence[Vertex], arrows: Sequence[Arrow]) -> dict[str, int]:
    """Return the column of each vertex, from 0 at the left.

    That is its layer: the longest path that leads to it; outputs are in the last. In a cell with
    outputs on several levels, vertices whose names differ by their number only (``td3``, ``td4``)
    share a column instead. In a comparison, arrows against the order of the vertices do not count.
    """
    if is_pyramid(vertices):
        stem = {vertex.name: re.sub(r"\d+$", "", vertex.name) for vertex in vertices}
        order = list(dict.fromkeys(stem.values()))
        if len({(stem[each.name], each.level) for each in vertices}) == len(vertices):
            return {name: order.index(each) for name, each in stem.items()}
    place = {vertex.name: at for at, vertex in enumerate(vertices)}
    graph = nx.DiGraph()
    graph.add_nodes_from(place)
    graph.add_edges_from((a.source, a.target) for a in arrows if place[a.source] < place[a.target])
    layers = list(nx.topological_generations(graph))
    column = {name: at for at, layer in enumerate(layers) for name in layer}
    return column | {each.name: len(layers) - 1 for each in vertices if each.role == "output"}


def is_pyramid(vertices: Sequence[Vertex]) -> bool:
    """Return whether a cell has outputs on several levels."""
    return len({vertex.level for vertex in vertices if vertex.role == "output"}) > 1


def stride_name(level: int) -> str:
    """Return the text, and name, in front of the row of a level."""
    return f"stride {2**level}"


def _add_arrow(graph: "AGraph", key: NodeKey, arrow: Arrow, steps: int) -> None:
    """Draw an arrow over so many columns, two ranks of Graphviz each."""
    if arrow.label:
        graph.add_node(label_name(key), **label_style(arrow))
    length = abs(steps) if arrow.label else 2 * abs(steps)
    for start, end, name in segments(key, arrow):
        # All edges lead to the right; that of an arrow to the left has its head at its start.
        ends, head = ((start, end), "forward") if steps >= 0 else ((end, start), "back")
        head = head if end == arrow.target else "none"
        graph.add_edge(*ends, key=name, minlen=length, dir=head)


def _lift(
    graph: "AGraph",
    vertices: Sequence[Vertex],
    column: Mapping[str, int],
    arrows: Sequence[Arrow],
) -> None:
    """Lead labelled arrows over others of their row: else they wind around what lies between."""
    level = {vertex.name: vertex.level for vertex in vertices}
    for key, arrow in keyed(arrows).items():
        is_long = column[arrow.target] - column[arrow.source] > 1
        if arrow.label and is_long and level[arrow.source] == level[arrow.target]:
            for start, end, name in segments(key, arrow):
                port = "tailport" if start == arrow.source else "headport"
                graph.get_edge(start, end, name).attr[port] = "n"


def _add_rows(graph: "AGraph", vertices: Sequence[Vertex], column: Mapping[str, int]) -> None:
    """Put each level into a straight row behind its stride, and columns into the order of levels.

    What holds a row straight is an arrow between two neighbours, or else an invisible edge.
    """
    by_level: dict[int, list[str]] = {}
    by_column: dict[int, list[str]] = {}
    for vertex in sorted(vertices, key=lambda each: -each.level):
        by_level.setdefault(vertex.level, []).append(vertex.name)
        by_column.setdefault(column[vertex.name], []).append(vertex.name)
    for level, row in by_level.items():
        graph.add_node(stride_name(level), **text_style(stride_name(level), 9))
        row.sort(key=column.__getitem__)
        for start, end in pairwise([stride_name(level), *row]):
            middle = label_name((start, end, 0))
            stops = (start, middle, end) if graph.has_node(middle) else (start, end)
            length = 2 * (column[end] - column.get(start, 0)) // (len(stops) - 1)
            for ends in pairwise(stops):
                if not graph.has_edge(*ends):
                    graph.add_edge(*ends, style="invis", minlen=max(1, length))
                graph.get_edge(*ends).attr["weight"] = "50"
    for names in ([stride_name(level) for level in by_level], *by_column.values()):
        _add_order(graph, names)


def _add_order(graph: "AGraph", names: Sequence[str]) -> None:
    """Put vertices into one column, from the top down."""
    graph.add_subgraph(names, rank="same")
    for above, below in pairwise(names):
        graph.add_edge(above, below, style="invis")

"""A drawn genotype in Graphviz's language, with all places given.

``neato -n2`` renders it as it is; any other call of Graphviz keeps the vertices where they are and
leads the arrows in its own way.
"""

from collections import Counter
from html import escape

import graphviz

from nasface.drawing.graph import FILL
from nasface.drawing.layout import Point
from nasface.drawing.legend import Entry, legend
from nasface.drawing.page import MARGIN, TITLE, CellPicture, Sheet
from nasface.drawing.routing import Route, vertex_box

POINTS = 72
"""Graphviz's unit of places, of an inch."""
_SIGN = "\N{HORIZONTAL BAR}\N{BLACK RIGHT-POINTING TRIANGLE}"
_SHAPES = {"product": "circle", "output": "ellipse"}


def to_dot(sheet: Sheet) -> graphviz.Digraph:
    """The sheet as a Graphviz graph."""
    graph = graphviz.Digraph(
        sheet.title or "genotype", comment="render with: neato -n2 -Tsvg", engine="neato"
    )
    graph.attr(layout="neato", inputscale=str(POINTS), splines="true", outputorder="edgesfirst")
    graph.attr(fontname="Helvetica", bgcolor="white", pad="0.1")
    graph.attr("node", fontname="Helvetica", fontsize="10.5", fixedsize="true")
    graph.attr("edge", fontname="Helvetica", fontsize="8", arrowsize="0.55")
    _add_text(graph, "title", sheet.title, (sheet.width / 2, sheet.height + 0.15), 14)
    seen: Counter[str] = Counter()
    for cell, corner in sheet.cells:
        seen[cell.name] += 1
        times = seen[cell.name]
        _add_cell(graph, cell.name if times == 1 else f"{cell.name}_{times}", cell, corner)
    entries = legend(sheet)
    below = 0.11 * -(-len(entries) // 3) + 0.2
    _add_text(graph, "legend", _table(entries), (sheet.width / 2, -below), 9)
    return graph


def _add_cell(graph: graphviz.Digraph, prefix: str, cell: CellPicture, corner: Point) -> None:
    def at(x: float, y: float) -> Point:
        return corner[0] + x, corner[1] + y

    title = at(cell.width / 2, cell.height - TITLE / 2)
    _add_text(graph, f"{prefix}.title", cell.title, title, 12)
    for level, y in cell.rows.items():
        name = f"stride {2**level}"
        _add_text(graph, f"{prefix}.{name}", name, at(MARGIN + 0.3, y), 9.5)
    for vertex in cell.vertices:
        place = at(*cell.places[vertex.name])
        left, bottom, right, top = vertex_box(vertex, place)
        graph.node(
            f"{prefix}.{vertex.name}",
            vertex.label,
            pos=_point(place) + "!",
            width=f"{right - left:.3f}",
            height=f"{top - bottom:.3f}",
            fillcolor=FILL[vertex.role],
            shape=_SHAPES.get(vertex.role, "box"),
            style="filled" if vertex.role in _SHAPES else "filled,rounded",
        )
    for route in cell.routes:
        _add_arrow(graph, prefix, route.moved(*corner))


def _add_arrow(graph: graphviz.Digraph, prefix: str, route: Route) -> None:
    arrow = route.arrow
    attributes = {
        "color": arrow.colour,
        "penwidth": "0.9" if arrow.is_thin else "1.8",
        "pos": _spline(route),
    }
    if arrow.label:
        # On a white ground, since the label lies on its line.
        attributes["label"] = (
            '<<table border="0" cellspacing="0" cellpadding="0" bgcolor="white"><tr><td>'
            f"{escape(arrow.label)}</td></tr></table>>"
        )
        attributes |= {"lp": _point(route.label), "fontcolor": arrow.colour}
    graph.edge(f"{prefix}.{arrow.source}", f"{prefix}.{arrow.target}", **attributes)


def _spline(route: Route) -> str:
    """The curve as Graphviz's cubic one; it ends where the head of the arrow begins."""
    head = 0.08
    (x0, y0), (x1, y1), (x2, y2) = route.start, route.control, route.end
    length = max(1e-6, ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5)
    x3, y3 = x2 - head * (x2 - x1) / length, y2 - head * (y2 - y1) / length
    first = (x0 + 2 * (x1 - x0) / 3, y0 + 2 * (y1 - y0) / 3)
    second = (x3 + 2 * (x1 - x3) / 3, y3 + 2 * (y1 - y3) / 3)
    points = " ".join(_point(each) for each in (route.start, first, second, (x3, y3)))
    return f"e,{_point(route.end)} {points}"


def _add_text(graph: graphviz.Digraph, name: str, text: str, place: Point, size: float) -> None:
    graph.node(
        f"text.{name}",
        text,
        pos=_point(place) + "!",
        shape="plaintext",
        fontsize=str(size),
        fixedsize="false",
    )


def _table(entries: list[Entry], columns: int = 3) -> str:
    """The legend as a table of Graphviz's HTML, filled column by column."""
    rows = -(-len(entries) // columns)
    body = "".join(
        f"<tr>{''.join(_cells(each) for each in entries[row::rows])}</tr>" for row in range(rows)
    )
    return f'<<table border="0" cellspacing="2" cellpadding="1">{body}</table>>'


def _cells(entry: Entry) -> str:
    """Two cells of the legend's table: a bar or a box, then the text."""
    if entry.role is None:
        sign = f'<td><font color="{entry.colour}">{_SIGN}</font></td>'
    else:
        sign = f'<td border="1" width="14" bgcolor="{entry.colour}"></td>'
    return f'{sign}<td align="left">{escape(entry.text)}    </td>'


def _point(place: Point) -> str:
    return f"{POINTS * place[0]:.1f},{POINTS * place[1]:.1f}"

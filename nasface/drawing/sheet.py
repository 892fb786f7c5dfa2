"""The sheet on which drawn cells stand beside and below each other, with a title and a legend."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nasface.arch.genotype import CellGene, Genotype
from nasface.arch.graph import width_name
from nasface.drawing.graph import (
    Arrow,
    NodeProbabilities,
    Vertex,
    cell_graph,
    compare_cells,
)
from nasface.drawing.layout import (
    NodeKey,
    is_pyramid,
    keyed,
    label_name,
    lay_out,
    new_graph,
    segments,
    stride_name,
)
from nasface.drawing.legend import LegendEntry, legend, legend_table
from nasface.drawing.style import Style, label_style, line_style, text_style, vertex_style
from nasface.errors import ConfigError, check_kind, did_you_mean

if TYPE_CHECKING:
    from pygraphviz import AGraph

Point = tuple[float, float]

_WIDTH = 1000.0
"""Width in points of a sheet of several cells, unless one of them is wider."""
GAP, TITLE, LINE = 30.0, 30.0, 14.0
"""Between cells, for a title, and for a line of the legend, in points."""
_PLACE = re.compile(r"(-?[\d.]+(?:e[+-]\d+)?),(-?[\d.]+(?:e[+-]\d+)?)")


@dataclass(frozen=True)
class CellPicture:
    """A cell to be drawn where ``layout`` has its vertices and arrows."""

    name: str
    title: str
    vertices: tuple[Vertex, ...]
    arrows: Mapping[NodeKey, Arrow]
    layout: "AGraph"
    width: float
    height: float
    """In points, without the title."""

    @property
    def is_pyramid(self) -> bool:
        """Whether the cell has outputs on several levels."""
        return is_pyramid(self.vertices)


def picture_cell(
    name: str, vertices: Sequence[Vertex], arrows: Sequence[Arrow], genes: Sequence[CellGene] = ()
) -> CellPicture:
    """Return a cell, laid out; ``genes`` are those that are drawn."""
    layout = lay_out(vertices, arrows)
    left, bottom, right, top = map(float, layout.graph_attr["bb"].split(","))
    size = (right - left, top - bottom)
    title = cell_title(name, vertices, genes)
    return CellPicture(name, title, tuple(vertices), keyed(arrows), layout, *size)


def cell_title(name: str, vertices: Sequence[Vertex], genes: Sequence[CellGene]) -> str:
    """Return the name of a cell, its strides, and the widths of its genes unless all are 1."""
    levels = sorted({vertex.level for vertex in vertices if vertex.role == "output"})
    strides = ", ".join(str(2**level) for level in levels)
    widths = list(dict.fromkeys(width_name(each.width) for each in genes))
    narrow = f", width {' and '.join(widths)}" if {*widths} - {"1"} else ""
    return f"{name} (stride{'s' if len(levels) > 1 else ''} {strides}{narrow})"


def choose_cells(genotype: Genotype, names: Sequence[str]) -> Genotype:
    """Return a genotype with only the cells that are named; all of them where none is named.

    Raises:
        ConfigError: for a cell that is not there.
    """
    names = [names] if isinstance(names, str) else names
    check_kind("cells", names, Iterable, "names of cells")
    names = list(names)
    for name in names:
        if name not in genotype.cells:
            known = ", ".join(genotype.cells)
            raise ConfigError(
                f"cells: {genotype.name} has no {name!r}; expected some of {known}"
                f"{did_you_mean(name, genotype.cells)}"
            )
    kept = {name: genotype.cells[name] for name in names or genotype.cells}
    return replace(genotype, cells=kept)


def genotype_sheet(
    genotype: Genotype, probabilities: Mapping[str, NodeProbabilities] | None = None
) -> "AGraph":
    """Draw all cells of a genotype, with the probabilities of their operations if given.

    Raises:
        ConfigError: for probabilities that are no map.
    """
    check_kind("probabilities", probabilities, Mapping | None, "a map from cells to probabilities")
    return sheet(genotype.name, _pictures(genotype, probabilities or {}))


def detector_sheet(title: str, table: str, genotype: Genotype | None) -> "AGraph":
    """Draw a detector: the table of its parts (:func:`nasface.drawing.overview.overview`), below it
    all cells of a genotype if it has one."""
    return sheet(title, _pictures(genotype, {}) if genotype else [], above=table)


def _pictures(
    genotype: Genotype, probabilities: Mapping[str, NodeProbabilities]
) -> list[CellPicture]:
    return [
        picture_cell(name, *cell_graph(gene, probabilities.get(name, ())), [gene])
        for name, gene in genotype.cells.items()
    ]


def comparison_sheet(first: Genotype, second: Genotype) -> "AGraph":
    """Return all cells of two genotypes, one over the other: arrows of both, of the first, the
    second."""
    names = dict.fromkeys([*first.cells, *second.cells])
    cells = []
    for name in names:
        pair = first.cells.get(name), second.cells.get(name)
        there = [each for each in pair if each is not None]
        cells.append(picture_cell(name, *compare_cells(*pair), there))
    labels = (first.name, second.name)
    if first.name == second.name:
        labels = (f"{first.name} (first)", f"{second.name} (second)")
    return sheet(" and ".join(labels), cells, entries_of(cells, labels))


def entries_of(
    cells: Sequence[CellPicture], compares: tuple[str, str] | None = None
) -> list[LegendEntry]:
    """Return the legend that some cells need."""
    return legend(
        [vertex for cell in cells for vertex in cell.vertices],
        [arrow for cell in cells for arrow in cell.arrows.values()],
        compares,
    )


def sheet(
    title: str,
    cells: Sequence[CellPicture],
    entries: Sequence[LegendEntry] | None = None,
    *,
    above: str = "",
) -> "AGraph":
    """Draw the cells on a sheet, with the legend that they need or another one, below a table in
    Graphviz' HTML if there is one: a graph of Graphviz in which all places are given."""
    places, width, height = arrange(cells) if cells else ([], 0.0, 0.0)
    head = _size_of(above) if above else (0.0, 0.0)
    shift = max(0.0, (head[0] - width) / 2)
    places = [(x + shift, y) for x, y in places]
    width = max(width, head[0])
    graph = new_graph(name=title or "genotype", layout="nop2")
    for number, (cell, corner) in enumerate(zip(cells, places, strict=True)):
        before = sum(other.name == cell.name for other in cells[:number])
        _add_cell(graph, f"{cell.name}_{before + 1}" if before else cell.name, cell, corner)
    if above:
        _add_text(graph, "above", above, (width / 2, height + head[1] / 2), 9)
    _add_text(graph, "title", title, (width / 2, height + head[1] + TITLE / 2), 13)
    if cells:
        entries = entries_of(cells) if entries is None else entries
        below = LINE * -(-len(entries) // 3) / 2 + GAP / 2
        _add_text(graph, "legend", legend_table(list(entries)), (width / 2, -below), 9)
    graph.has_layout = True
    return graph


def arrange(cells: Sequence[CellPicture]) -> tuple[list[Point], float, float]:
    """Return the lower left corners of cells, and width and height of all: from left to right and
    from the top down, as many beside each other as fit."""
    width = max(_WIDTH if len(cells) > 1 else 0.0, *(cell.width for cell in cells))
    bands: list[list[CellPicture]] = []
    for cell in cells:
        # A high pyramid beside a low cell would leave a hole.
        alike = bool(bands) and bands[-1][-1].is_pyramid == cell.is_pyramid
        if alike and sum(each.width + GAP for each in [*bands[-1], cell]) - GAP <= width:
            bands[-1].append(cell)
        else:
            bands.append([cell])
    heights = [max(cell.height for cell in band) + TITLE + GAP for band in bands]
    y, places = sum(heights), []
    for band, height in zip(bands, heights, strict=True):
        space = (width - sum(cell.width for cell in band)) / len(band)
        x = space / 2
        for cell in band:
            # Cells of a band hang from its upper edge, so that their titles are in line.
            places.append((x, y - TITLE - cell.height))
            x += cell.width + space
        y -= height
    return places, width, sum(heights)


def _size_of(table: str) -> Point:
    """Return the width and height in points of a table in Graphviz' HTML."""
    graph = new_graph()
    _add_text(graph, "table", table, (0.0, 0.0), 9)
    graph.layout("dot")
    (node,) = graph.nodes()
    return 72 * float(node.attr["width"]), 72 * float(node.attr["height"])


def _add_cell(graph: "AGraph", prefix: str, cell: CellPicture, corner: Point) -> None:
    x, y = corner

    def moved(pos: str) -> str:
        return _PLACE.sub(lambda at: f"{float(at[1]) + x:.2f},{float(at[2]) + y:.2f}", pos)

    def add_node(name: str, style: Style) -> None:
        there = cell.layout.get_node(name).attr
        size = {"width": there["width"], "height": there["height"]}
        graph.add_node(f"{prefix}.{name}", **{**style, **size}, pos=moved(there["pos"]))

    title = (x + cell.width / 2, y + cell.height + TITLE / 2)
    _add_text(graph, f"{prefix}.title", cell.title, title, 11)
    if cell.is_pyramid:
        for name in dict.fromkeys(stride_name(vertex.level) for vertex in cell.vertices):
            add_node(name, text_style(name, 9))
    for vertex in cell.vertices:
        add_node(vertex.name, vertex_style(vertex))
    edges = {edge.name: edge for edge in cell.layout.edges_iter()}
    for key, arrow in cell.arrows.items():
        if arrow.label:
            add_node(label_name(key), label_style(arrow))
        for _, _, name in segments(key, arrow):
            edge = edges[name]
            ends = (f"{prefix}.{end}" for end in edge)
            course = {"pos": moved(edge.attr["pos"]), "dir": edge.attr["dir"]}
            graph.add_edge(*ends, key=f"{prefix}.{name}", **line_style(arrow), **course)


def _add_text(graph: "AGraph", name: str, text: str, place: Point, size: float) -> None:
    pos = f"{place[0]:.2f},{place[1]:.2f}"
    graph.add_node(f"text.{name}", **text_style(text, size), pos=pos)

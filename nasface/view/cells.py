"""Drawings of genotypes: as DOT through Graphviz, and with matplotlib where Graphviz is not
installed.

Both show the same graph: inputs, nodes, leaves (nodes that enter the output) and outputs told apart
by colour and shape, the operation on each edge in a colour of its own, fixed connections in grey.
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import graphviz
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path as Path2D

from nasface.spec.genotype import CellGene, Genotype
from nasface.spec.graph import Transform
from nasface.spec.operations import OPERATION_NAMES
from nasface.view.figures import SUFFIXES, check_suffix, save_figure

Role = Literal["input", "node", "leaf", "product", "output"]

#: fill colour of each kind of vertex (Okabe and Ito's palette, safe for the colour-blind)
FILL: Mapping[Role, str] = {
    "input": "#56b4e9",
    "node": "#f5f5f5",
    "leaf": "#a6dba0",
    "product": "#ffffff",
    "output": "#f0e442",
}
FIXED = "#9a9a9a"
_PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c510a", "#5e3c99", "#1b7837", "#b2182b",
    "#4393c3", "#c51b7d", "#01665e", "#bf812d", "#4d4d4d", "#7f0000", "#827717", "#00695c",
)  # fmt: skip
_ARROWS: Mapping[Transform, str] = {"none": "", "up2": "↑2", "down2": "↓2", "stride": "s2"}


@dataclass(frozen=True)
class Vertex:
    """A drawn vertex; ``column`` orders the vertices of a level, ``level`` is its row."""

    name: str
    label: str
    role: Role
    level: int
    column: int


@dataclass(frozen=True)
class Arrow:
    """A drawn edge; ``operation`` is empty for the step from a leaf to the output."""

    source: str
    target: str
    operation: str
    mark: str

    @property
    def colour(self) -> str:
        """Grey for fixed connections, the operation's own colour otherwise."""
        return FIXED if self.operation in ("", "skip") else operation_colours()[self.operation]

    @property
    def label(self) -> str:
        """What stands beside the edge."""
        name = "" if self.operation in ("", "skip") else self.operation
        return " ".join(part for part in (name, self.mark) if part)


@cache
def operation_colours() -> Mapping[str, str]:
    """A fixed colour for each operation."""
    names = [name for name in OPERATION_NAMES if name not in ("none", "skip")]
    return dict(zip(names, _PALETTE, strict=True))


def draw_genotype(genotype: Genotype, path: Path, *, use_graphviz: bool | None = None) -> Path:
    """Draw all cells of a genotype into one file; the suffix (svg, png, pdf, dot) names its type.

    ``use_graphviz``: whether Graphviz's program renders; by default where it is installed. Writing
    DOT never needs it.

    Raises:
        ConfigError: for another suffix.
    """
    check_suffix(path, (*SUFFIXES, ".dot"))
    if path.suffix != ".dot" and not (
        shutil.which("dot") is not None if use_graphviz is None else use_graphviz
    ):
        return save_figure(_figure(genotype), path)
    graph = to_dot(genotype)
    data = graph.source.encode() if path.suffix == ".dot" else graph.pipe(format=path.suffix[1:])
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)
    return path


def cell_graph(gene: CellGene) -> tuple[list[Vertex], list[Arrow]]:
    """What is drawn of a cell: vertices in the order in which they are computed, and arrows."""
    leaves = {name for output in gene.outputs for name in output.sources}
    columns = _columns(gene) if _has_rows(gene) else _depths(gene)
    vertices = [
        Vertex(each.name, each.name, "input", each.level, columns[each.name])
        for each in gene.inputs
    ]
    arrows = []
    for node in gene.nodes:
        role: Role = (
            "product" if node.combine == "product" else "leaf" if node.name in leaves else "node"
        )
        label = "\N{MULTIPLICATION SIGN}" if role == "product" else node.name
        vertices.append(Vertex(node.name, label, role, node.level, columns[node.name]))
        arrows += [
            Arrow(edge.source, node.name, edge.operation, _ARROWS[edge.transform])
            for edge in node.edges
        ]
    last = max(columns.values()) + 1
    for output in gene.outputs:
        name = f"output {output.level}"
        vertices.append(Vertex(name, "out", "output", output.level, last))
        arrows += [Arrow(source, name, "", "") for source in output.sources]
    return vertices, arrows


def _has_rows(gene: CellGene) -> bool:
    """Whether the nodes lie on several levels, which are then the rows of the drawing."""
    return len({node.level for node in gene.nodes}) > 1


def to_dot(genotype: Genotype) -> graphviz.Digraph:
    """The genotype as a Graphviz graph, a cluster for each cell."""
    graph = graphviz.Digraph(genotype.name or "genotype")
    graph.attr(rankdir="LR", fontname="Helvetica", nodesep="0.25", ranksep="0.55", labelloc="t")
    graph.attr("node", fontname="Helvetica", fontsize="11", style="filled,rounded", shape="box")
    graph.attr("edge", fontname="Helvetica", fontsize="9", arrowsize="0.6")
    for cell, gene in genotype.cells.items():
        vertices, arrows = cell_graph(gene)
        with graph.subgraph(name=f"cluster_{cell}") as cluster:
            cluster.attr(label=_title(cell, gene), color="#cccccc", fontsize="13")
            for vertex in vertices:
                shape = {"product": "circle", "output": "oval"}.get(vertex.role, "box")
                cluster.node(
                    f"{cell}.{vertex.name}", vertex.label, fillcolor=FILL[vertex.role], shape=shape
                )
            for arrow in arrows:
                cluster.edge(
                    f"{cell}.{arrow.source}",
                    f"{cell}.{arrow.target}",
                    label=arrow.label,
                    color=arrow.colour,
                    fontcolor=arrow.colour,
                )
    return graph


def _columns(gene: CellGene) -> dict[str, int]:
    """Columns of a cell with several levels: vertices whose names differ by a number share one."""
    names = [each.name for each in gene.inputs] + [node.name for node in gene.nodes]
    stems = list(dict.fromkeys(re.sub(r"\d+$", "", name) for name in names))
    return {name: stems.index(re.sub(r"\d+$", "", name)) for name in names}


def _depths(gene: CellGene) -> dict[str, int]:
    """Columns of a cell of one level: the longest path from an input."""
    depth = {each.name: 0 for each in gene.inputs}
    for node in gene.nodes:
        depth[node.name] = 1 + max(depth[edge.source] for edge in node.edges)
    return depth


def _title(cell: str, gene: CellGene) -> str:
    levels = sorted({each.level for each in gene.nodes})
    strides = ", ".join(str(2**level) for level in levels)
    return f"{cell} (stride{'s' if len(levels) > 1 else ''} {strides})"


def _figure(genotype: Genotype) -> Figure:
    wide = [c for c, g in genotype.cells.items() if len({n.level for n in g.nodes}) > 1]
    narrow = [c for c in genotype.cells if c not in wide]
    rows = len(wide) + -(-len(narrow) // 2)
    heights = [7.5] * len(wide) + [3.4] * (rows - len(wide))
    figure = Figure(figsize=(15, sum(heights) + 0.8), layout="constrained")
    grid = figure.add_gridspec(rows, 2, height_ratios=heights)
    used: set[str] = set()
    for at, cell in enumerate([*wide, *narrow]):
        if cell in wide:
            axes = figure.add_subplot(grid[at, :])
        else:
            row, column = divmod(at - len(wide), 2)
            axes = figure.add_subplot(grid[len(wide) + row, column])
        used |= _draw_cell(axes, cell, genotype.cells[cell])
    handles = [
        Line2D([], [], color=colour, linewidth=2, label=f"{name}: {OPERATION_NAMES[name]}")
        for name, colour in operation_colours().items()
        if name in used
    ]
    handles.append(Line2D([], [], color=FIXED, linewidth=1, label="fixed connection or skip"))
    for role, text in (
        ("input", "input"),
        ("node", "node"),
        ("leaf", "leaf"),
        ("output", "output"),
    ):
        handles.append(
            Line2D([], [], marker="s", color="none", markerfacecolor=FILL[role],  # type: ignore[index]
                   markeredgecolor="black", markersize=10, label=text)
        )  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9)
    figure.suptitle(genotype.name)
    return figure


def _draw_cell(axes: Axes, cell: str, gene: CellGene) -> set[str]:
    """Draw a cell and return the operations used."""
    vertices, arrows = cell_graph(gene)
    place = vertex_places(gene)
    for arrow in arrows:
        _draw_arrow(axes, arrow, place[arrow.source], place[arrow.target])
    for vertex in vertices:
        shape = "circle" if vertex.role == "product" else "round"
        axes.annotate(
            vertex.label,
            place[vertex.name],
            ha="center",
            va="center",
            fontsize=9,
            zorder=3,
            bbox={"boxstyle": shape, "facecolor": FILL[vertex.role], "edgecolor": "#333333"},
        )
    if _has_rows(gene):
        for level in sorted({vertex.level for vertex in vertices}):
            y = next(place[v.name][1] for v in vertices if v.level == level)
            axes.text(-0.45, y, f"stride {2**level}", ha="right", va="center", fontsize=9)
    x, y_ = zip(*place.values(), strict=True)
    axes.set_xlim(min(x) - (1.0 if _has_rows(gene) else 0.4), max(x) + 0.4)
    axes.set_ylim(min(y_) - 0.6, max(y_) + 0.6)
    axes.set_title(_title(cell, gene), fontsize=11)
    axes.set_axis_off()
    return {arrow.operation for arrow in arrows}


def vertex_places(gene: CellGene) -> dict[str, tuple[float, float]]:
    """Coordinates of all vertices, no two the same.

    Columns go to the right; rows are levels, finest below, or the lanes of a tree.
    """
    vertices, arrows = cell_graph(gene)
    if _has_rows(gene):
        return {vertex.name: (vertex.column, float(vertex.level)) for vertex in vertices}
    children: dict[str, list[str]] = {vertex.name: [] for vertex in vertices}
    for node in gene.nodes:
        deepest = max(node.edges, key=lambda edge: _depths(gene)[edge.source])
        children[deepest.source].append(node.name)
    lanes: dict[str, float] = {}
    free = 0.0

    def settle(name: str) -> float:
        nonlocal free
        below = [settle(child) for child in children[name]]
        if not below:
            below = [free]
            free -= 1.0
        lanes[name] = sum(below) / len(below)
        return lanes[name]

    for each in gene.inputs:
        settle(each.name)
    sources = [lanes[arrow.source] for arrow in arrows if not arrow.operation]
    for vertex in vertices:
        if vertex.role == "output":
            lanes[vertex.name] = sum(sources) / len(sources)
    return {vertex.name: (float(vertex.column), lanes[vertex.name]) for vertex in vertices}


def _draw_arrow(
    axes: Axes, arrow: Arrow, start: tuple[float, float], end: tuple[float, float]
) -> None:
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    fixed = arrow.colour == FIXED
    if abs(start[1] - end[1]) < 1e-6 and end[0] - start[0] > 1.5:
        # Along a row it would hide behind the vertices between its ends; it is bent round them.
        rise = 0.26 if fixed else 0.42
        ends = ((start[0] + 0.08, y + 0.05), (end[0] - 0.12, y + 0.06))
        points = [ends[0], (x, y + 2 * rise), ends[1]]
        curve = Path2D(points, [Path2D.MOVETO, Path2D.CURVE3, Path2D.CURVE3])
        patch = FancyArrowPatch(path=curve)
        y += rise
    else:
        patch = FancyArrowPatch(start, end, shrinkA=11, shrinkB=11)
    patch.set(
        arrowstyle="-|>",
        mutation_scale=9,
        color=arrow.colour,
        linewidth=0.9 if fixed else 2.0,
        zorder=1,
    )
    axes.add_patch(patch)
    if arrow.label:
        axes.text(
            x,
            y,
            arrow.label,
            fontsize=7.5,
            color=arrow.colour,
            ha="center",
            va="center",
            zorder=2,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )

"""Drawings of genotypes and of what two of them share: by Graphviz, or with matplotlib where its
program is not installed.

Both draw the same sheet: inputs, nodes, leaves (nodes that enter an output) and outputs told apart
by colour and shape, the operation on each edge in a colour of its own, fixed connections in grey.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import graphviz
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import BoxStyle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Path2D

from nasface.arch.genotype import Genotype
from nasface.drawing.dot import to_dot
from nasface.drawing.graph import FILL, Role
from nasface.drawing.layout import Point
from nasface.drawing.legend import Entry, legend
from nasface.drawing.page import (
    MARGIN,
    TITLE,
    CellPicture,
    Sheet,
    choose_cells,
    comparison_sheet,
    genotype_sheet,
)
from nasface.drawing.routing import Route, vertex_box
from nasface.errors import RunError
from nasface.io.files import write_bytes
from nasface.plots.save import SUFFIXES, check_suffix, save_figure

LEGEND_ROW = 0.22
"""Height of a row of the legend in inches."""
_ROUNDING: Mapping[Role, float] = {"product": 0.14, "output": 0.14}


def draw_genotype(
    genotype: Genotype,
    path: Path,
    *,
    cells: Sequence[str] = (),
    use_graphviz: bool | None = None,
) -> Path:
    """Draw a genotype into one file; the suffix (svg, png, pdf, dot) names its type.

    Args:
        cells: which to draw; all by default.
        use_graphviz: whether Graphviz's program renders; by default where it is installed. Writing
            DOT never needs it.

    Raises:
        ConfigError: for another suffix, or a cell that the genotype does not have.
    """
    return draw_sheet(genotype_sheet(choose_cells(genotype, cells)), path, use_graphviz)


def draw_comparison(
    first: Genotype, second: Genotype, path: Path, *, use_graphviz: bool | None = None
) -> Path:
    """Draw two genotypes over each other: what both have in grey, the rest in two colours.

    Raises:
        ConfigError: for another suffix than those of :func:`draw_genotype`.
    """
    return draw_sheet(comparison_sheet(first, second), path, use_graphviz)


def draw_sheet(sheet: Sheet, path: Path, use_graphviz: bool | None = None) -> Path:
    """Draw a sheet into a file.

    Raises:
        ConfigError: for an unknown suffix. RunError: if Graphviz's program is wanted and missing.
    """
    check_suffix(path, (*SUFFIXES, ".dot"))
    installed = shutil.which("dot") is not None
    if path.suffix == ".dot":
        data = to_dot(sheet).source.encode()
    elif installed if use_graphviz is None else use_graphviz:
        data = _render(to_dot(sheet), path.suffix[1:])
    else:
        return save_figure(sheet_figure(sheet), path)
    write_bytes(path, data)
    return path


def _render(graph: graphviz.Digraph, form: str) -> bytes:
    if form == "png":
        graph.attr(dpi="150")
    try:
        data: bytes = graph.pipe(format=form, neato_no_op=2)
    except graphviz.ExecutableNotFound:
        raise RunError(
            "Graphviz's program dot is not installed; expected it on the PATH, or drawing without "
            "it"
        ) from None
    return data


def sheet_figure(sheet: Sheet, entries: Sequence[Entry] | None = None) -> Figure:
    """The sheet as a figure of matplotlib, with the legend that it needs or another one."""
    entries = legend(sheet) if entries is None else entries
    below = LEGEND_ROW * (-(-len(entries) // 3) + 1.5)
    figure = Figure(figsize=(sheet.width, sheet.height + below + 0.35))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, sheet.width)
    axes.set_ylim(-below, sheet.height + 0.35)
    axes.set_axis_off()
    axes.text(sheet.width / 2, sheet.height + 0.15, sheet.title, ha="center", va="center", size=13)
    for cell, corner in sheet.cells:
        _draw_cell(axes, cell, corner)
    axes.legend(
        handles=[_handle(entry) for entry in entries],
        loc="lower center",
        ncols=3,
        fontsize=9,
        frameon=False,
        borderaxespad=0.2,
    )
    return figure


def _handle(entry: Entry) -> Line2D:
    if entry.role is None:
        return Line2D([], [], color=entry.colour, linewidth=2.2, label=entry.text)
    return Line2D(
        [], [], marker="o" if entry.role in ("product", "output") else "s", color="none",
        markerfacecolor=entry.colour, markeredgecolor="#333333", markersize=9, label=entry.text,
    )  # fmt: skip


def _draw_cell(axes: Axes, cell: CellPicture, corner: Point) -> None:
    def at(x: float, y: float) -> Point:
        return corner[0] + x, corner[1] + y

    for route in cell.routes:
        _draw_arrow(axes, route.moved(*corner))
    for vertex in cell.vertices:
        place = cell.places[vertex.name]
        left, bottom, right, top = vertex_box(vertex, at(*place))
        style = BoxStyle("Round", pad=0, rounding_size=_ROUNDING.get(vertex.role, 0.06))
        patch = FancyBboxPatch(
            (left, bottom), right - left, top - bottom, boxstyle=style, zorder=3,
            facecolor=FILL[vertex.role], edgecolor="#333333",
        )  # fmt: skip
        axes.add_patch(patch)
        axes.text(*at(*place), vertex.label, ha="center", va="center_baseline", size=9.5, zorder=4)
    for level, y in cell.rows.items():
        axes.text(*at(MARGIN, y), f"stride {2**level}", ha="left", va="center", fontsize=9)
    title = at(cell.width / 2, cell.height - TITLE / 2)
    axes.text(*title, cell.title, ha="center", va="center", fontsize=11)


def _draw_arrow(axes: Axes, route: Route) -> None:
    arrow = route.arrow
    curve = Path2D(
        [route.start, route.control, route.end], [Path2D.MOVETO, Path2D.CURVE3, Path2D.CURVE3]
    )
    axes.add_patch(
        FancyArrowPatch(
            path=curve,
            shrinkA=0,
            shrinkB=0,
            arrowstyle="-|>",
            mutation_scale=9,
            color=arrow.colour,
            linewidth=0.9 if arrow.is_thin else 1.9,
            zorder=1,
        )
    )
    if arrow.label:
        axes.text(
            *route.label,
            arrow.label,
            fontsize=8,
            color=arrow.colour,
            ha="center",
            va="center",
            zorder=2,
            bbox={"boxstyle": "square,pad=0.08", "facecolor": "white", "edgecolor": "none"},
        )

"""The cells of a search epoch by epoch: as an animation, or as a strip of pictures.

Vertices stay where they are and arrows keep their course; only what is chosen changes.
"""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from nasface.arch.genotype import CellGene, Genotype
from nasface.drawing.cells import draw_sheet, sheet_figure
from nasface.drawing.graph import Arrow, Vertex, cell_graph, merge_vertices
from nasface.drawing.legend import Entry, legend
from nasface.drawing.page import CellPicture, Sheet, arrange, choose_cells, picture_cell
from nasface.io.files import write_bytes
from nasface.plots.save import SUFFIXES, check_suffix

ANIMATION = ".gif"
FRAME_MS, LAST_MS = 700, 2500
"""How long a frame of an animation is shown, and the last one."""
DPI = 80
_METHOD = Image.Quantize.MAXCOVERAGE
"""Keeps the colours of operations, which cover few pixels, apart."""

_Key = tuple[str, str, int]
"""Source, target, and which of several arrows between the two."""


def draw_frames(
    genotypes: Sequence[Genotype],
    path: Path,
    *,
    cells: Sequence[str] = (),
    use_graphviz: bool | None = None,
) -> Path:
    """Draw genotypes with the same cells one after the other: a gif moves, any other type is a
    strip, from which genotypes that equal the one before are left out.

    Raises:
        ConfigError: for an unknown suffix or cell.
    """
    check_suffix(path, (ANIMATION, *SUFFIXES, ".dot"))
    shown = [choose_cells(each, cells) for each in genotypes]
    pictures = frame_pictures(shown)
    titles = [each.name for each in genotypes]
    if path.suffix == ANIMATION:
        sheets = [arrange(*each) for each in zip(titles, pictures, strict=True)]
        drawn = legend(arrange("", [cell for frame in pictures for cell in frame]))
        return _write_gif(sheets, drawn, path)
    strip = [
        replace(cell, title=f"{titles[at]}: {cell.title}")
        for at, frame in enumerate(pictures)
        for cell in frame
        if at == 0 or shown[at].cells[cell.name] != shown[at - 1].cells[cell.name]
    ]
    return draw_sheet(arrange("", strip), path, use_graphviz)


def frame_pictures(genotypes: Sequence[Genotype]) -> list[list[CellPicture]]:
    """The cells of each genotype, every cell laid out once for all of them."""
    whole = {
        name: _whole_cell(name, [each.cells[name] for each in genotypes])
        for name in genotypes[0].cells
    }
    return [[_frame(whole[name], gene) for name, gene in each.cells.items()] for each in genotypes]


def _whole_cell(name: str, genes: Sequence[CellGene]) -> CellPicture:
    """A cell with an arrow, of the longest label, wherever one of the genotypes has one."""
    longest: dict[_Key, Arrow] = {}
    vertices: list[Vertex] = []
    for found, arrows in map(cell_graph, genes):
        vertices += found
        for key, arrow in _keyed(arrows).items():
            if key not in longest or len(arrow.label) > len(longest[key].label):
                longest[key] = arrow
    return picture_cell(name, merge_vertices(vertices), list(longest.values()))


def _frame(whole: CellPicture, gene: CellGene) -> CellPicture:
    vertices, arrows = cell_graph(gene)
    routes = _keyed([route.arrow for route in whole.routes])
    course = dict(zip(routes, whole.routes, strict=True))
    return replace(
        whole,
        vertices=tuple(vertices),
        routes=tuple(replace(course[key], arrow=arrow) for key, arrow in _keyed(arrows).items()),
    )


def _keyed(arrows: Sequence[Arrow]) -> dict[_Key, Arrow]:
    seen: Counter[tuple[str, str]] = Counter()
    keyed = {}
    for arrow in arrows:
        ends = (arrow.source, arrow.target)
        keyed[(*ends, seen[ends])] = arrow
        seen[ends] += 1
    return keyed


def _write_gif(sheets: Sequence[Sheet], entries: Sequence[Entry], path: Path) -> Path:
    images = []
    for sheet in sheets:
        figure = sheet_figure(sheet, entries)
        canvas = FigureCanvasAgg(figure)
        figure.set_dpi(DPI)
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba()))
        images.append(image.convert("RGB").quantize(256, _METHOD, dither=Image.Dither.NONE))
    whole = io.BytesIO()
    images[0].save(
        whole,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=[FRAME_MS] * (len(images) - 1) + [LAST_MS],
        loop=0,
    )
    write_bytes(path, whole.getvalue())
    return path

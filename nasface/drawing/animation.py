"""The cells of a search epoch by epoch: as an animation, or as a strip of pictures.

Vertices stay where they are and arrows keep their course; only what is chosen changes.
"""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from nasface.arch.genotype import CellGene, Genotype
from nasface.drawing.draw import Drawing
from nasface.drawing.graph import Arrow, Vertex, cell_graph, merge_vertices
from nasface.drawing.layout import NodeKey, keyed
from nasface.drawing.sheet import (
    CellPicture,
    cell_title,
    choose_cells,
    entries_of,
    picture_cell,
    sheet,
)
from nasface.io.files import write_bytes
from nasface.plots.figure import SUFFIXES, check_suffix

ANIMATION = ".gif"
FRAME_MS, LAST_MS = 700, 2500
"""How long a frame of an animation is shown, and the last one."""
_DPI = 80
_METHOD = Image.Quantize.MAXCOVERAGE
"""Keeps the colours of operations, which cover few pixels, apart."""


def draw_frames(genotypes: Sequence[Genotype], path: Path, *, cells: Sequence[str] = ()) -> Path:
    """Draw genotypes of one space one after the other: a gif moves, any other type is a strip, from
    which genotypes that equal the one before are left out.

    Raises:
        ConfigError: for an unknown suffix or cell.
    """
    check_suffix(path, (ANIMATION, *SUFFIXES, ".dot"))
    pictures = frame_pictures(genotypes, cells)
    titles = [each.name for each in genotypes]
    entries = entries_of([cell for frame in pictures for cell in frame])
    if path.suffix.lower() == ANIMATION:
        sheets = [sheet(*each, entries) for each in zip(titles, pictures, strict=True)]
        return _write_gif([Drawing(each.to_string()) for each in sheets], path)
    strip = [
        replace(cell, title=f"{titles[at]}: {cell.title}")
        for at, frame in enumerate(pictures)
        for cell in frame
        if at == 0 or _gene(genotypes[at], cell.name) != _gene(genotypes[at - 1], cell.name)
    ]
    return Drawing(sheet("", strip, entries).to_string()).save(path)


def frame_pictures(
    genotypes: Sequence[Genotype], cells: Sequence[str] = ()
) -> list[list[CellPicture]]:
    """Return the cells of each genotype, or those named, every cell laid out once for all of them;
    where a genotype has left one out, its place is empty.

    Raises:
        ConfigError: for an unknown cell.
    """
    every = {name: gene for each in genotypes for name, gene in each.cells.items()}
    names = choose_cells(replace(genotypes[0], cells=every), cells).cells
    genes = {name: [_gene(each, name) for each in genotypes] for name in names}
    whole = {name: _whole_cell(name, list(filter(None, each))) for name, each in genes.items()}
    return [
        [_frame(whole[name], genes[name][at]) for name in names] for at in range(len(genotypes))
    ]


def _gene(genotype: Genotype, name: str) -> CellGene | None:
    return genotype.cells.get(name)


def _whole_cell(name: str, genes: Sequence[CellGene]) -> CellPicture:
    """Return a cell with an arrow, of the longest label, wherever one of the genotypes has one."""
    longest: dict[NodeKey, Arrow] = {}
    vertices: list[Vertex] = []
    for found, arrows in map(cell_graph, genes):
        vertices += found
        for key, arrow in keyed(arrows).items():
            if key not in longest or len(arrow.label) > len(longest[key].label):
                longest[key] = arrow
    return picture_cell(name, merge_vertices(vertices), list(longest.values()))


def _frame(whole: CellPicture, gene: CellGene | None) -> CellPicture:
    """Return what one genotype has of a cell; where others have an operation, a skip is named
    too."""
    if gene is None:
        return replace(whole, title=f"{whole.name} (left out)", vertices=(), arrows={})
    vertices, arrows = cell_graph(gene)
    shown = {
        key: replace(arrow, is_named=bool(whole.arrows[key].label))
        for key, arrow in keyed(arrows).items()
    }
    title = cell_title(whole.name, vertices, [gene])
    return replace(whole, title=title, vertices=tuple(vertices), arrows=shown)


def _write_gif(drawings: Sequence[Drawing], path: Path) -> Path:
    frames = [Image.open(io.BytesIO(each.render("png", dpi=_DPI))) for each in drawings]
    size = max(frame.width for frame in frames), max(frame.height for frame in frames)
    images = []
    for frame in frames:
        image = Image.new("RGB", size, "white")
        image.paste(frame, ((size[0] - frame.width) // 2, size[1] - frame.height))
        images.append(image.quantize(256, _METHOD, dither=Image.Dither.NONE))
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

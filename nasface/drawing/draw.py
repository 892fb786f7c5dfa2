"""Drawings of genotypes and of what two of them share, by Graphviz.

Inputs, nodes, leaves (nodes that enter an output) and outputs are told apart by colour and shape;
each operation is written on its edge in its own colour; fixed connections are grey.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nasface.arch.genotype import Genotype
from nasface.arch.io import as_genotype
from nasface.drawing.fonts import prepare_fonts
from nasface.drawing.graph import NodeProbabilities
from nasface.drawing.sheet import choose_cells, comparison_sheet, genotype_sheet
from nasface.io.files import as_path, write_bytes
from nasface.plots.figure import SUFFIXES, check_suffix

if TYPE_CHECKING:
    from pygraphviz import AGraph

_DPI = 150
"""Of PNG files."""
_CLASS = "nasface-drawing"
_STYLE = """<style>
@media screen { .nasface-drawing { max-width: 100%; height: auto; } }
@media (prefers-color-scheme: dark) {
  .nasface-drawing > g { filter: invert(0.9) hue-rotate(180deg); }
}
</style>
"""


@dataclass(frozen=True)
class Drawing:
    """A drawing in Graphviz' language, with all places given; a notebook shows it as a picture."""

    dot: str

    @property
    def svg(self) -> str:
        """The drawing as an SVG element, light or dark as the reader's screen is."""
        whole = self.render("svg").decode()
        return whole[whole.index("<svg") :]

    def render(self, form: str, dpi: int = _DPI) -> bytes:
        """Return the drawing as ``svg``, ``png`` or ``pdf``; ``dpi`` is the resolution of a
        ``png``."""
        from pygraphviz import AGraph

        prepare_fonts()
        graph = AGraph(string=self.dot)
        if form == "png":
            graph.graph_attr["dpi"] = dpi
        data: bytes = graph.draw(format=form, prog="nop2")
        if form == "svg":
            text = data.decode().replace("<svg ", f'<svg class="{_CLASS}" ', 1)
            start = text.index("<g id=")
            data = (text[:start] + _STYLE + text[start:]).encode()
        return data

    def pixels(self, dpi: int = _DPI) -> NDArray[np.uint8]:
        """Return the drawing as an array (H, W, 3) in RGB."""
        picture = Image.open(BytesIO(self.render("png", dpi)))
        return np.asarray(picture.convert("RGB"))

    def save(self, path: Path | str) -> Path:
        """Write the drawing into a file; the suffix (svg, png, pdf, dot) names its type.

        A file that is there is replaced. Graphviz renders a ``dot`` file as it is.

        Raises:
            ConfigError: for another suffix.
        """
        path = as_path(path, "path")
        check_suffix(path, (*SUFFIXES, ".dot"))
        form = path.suffix[1:].lower()
        write_bytes(path, self.dot.encode() if form == "dot" else self.render(form))
        return path

    def __repr__(self) -> str:
        return f"<Drawing, {len(self.dot)} characters of DOT>"

    def _repr_svg_(self) -> str:
        return self.svg


def draw_genotype(
    genotype: Genotype | str | Path,
    path: Path | str | None = None,
    *,
    against: Genotype | str | Path | None = None,
    cells: Sequence[str] = (),
    probabilities: Mapping[str, NodeProbabilities] | None = None,
) -> Drawing:
    """Draw a genotype.

    Args:
        genotype: a genotype, a packaged name or a YAML file.
        path: file whose suffix (svg, png, pdf, dot) names its type; one that is there is replaced.
            None writes nothing.
        against: another genotype, drawn over the first: what both have in grey, the rest in two
            colours.
        cells: which to draw; all by default.
        probabilities: for each cell, each node and each edge into it, in the genotype's order, the
            probability of the operation there, to be written beside it; ``None`` for no number.
            Not in a comparison.

    Raises:
        ConfigError: for another suffix, or a cell that a genotype does not have.
    """
    check_drawing_path(path)
    chosen = choose_cells(as_genotype(genotype), cells)
    if against is None:
        graph = genotype_sheet(chosen, probabilities)
    else:
        graph = comparison_sheet(chosen, choose_cells(as_genotype(against), cells))
    return drawing_of(graph, path)


def check_drawing_path(path: Path | str | None) -> None:
    """Raise ConfigError for a file whose suffix names no type of drawing."""
    if path is not None:
        check_suffix(as_path(path, "path"), (*SUFFIXES, ".dot"))


def drawing_of(graph: "AGraph", path: Path | str | None) -> Drawing:
    """Return the drawing of a graph that is laid out, written into a file if one is given."""
    drawing = Drawing(graph.to_string())
    if path is not None:
        drawing.save(path)
    return drawing

"""The sheet on which the cells of a genotype are drawn, for any program that draws.

Lengths are in inches, x to the right, y upwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nasface.arch.genotype import Genotype
from nasface.drawing.graph import Arrow, Vertex, cell_graph, compare_cells, operation_colours
from nasface.drawing.layout import Point, place_vertices
from nasface.drawing.routing import Route, route_arrows, vertex_box
from nasface.errors import ConfigError

MARGIN = 0.2
TITLE = 0.45
"""Room for the title of a cell."""
WIDTH = 12.5
"""Width of a sheet of several cells, unless one of them is wider."""


@dataclass(frozen=True)
class CellPicture:
    """A cell with the places of its vertices, as lengths from its lower left corner."""

    name: str
    title: str
    vertices: tuple[Vertex, ...]
    places: Mapping[str, Point]
    routes: tuple[Route, ...]
    rows: Mapping[int, float]
    """Level -> y of its row; empty in a cell of one level."""
    width: float
    height: float
    """Both with margins and title."""


@dataclass(frozen=True)
class Sheet:
    """Cells beside and below each other; each with its lower left corner."""

    title: str
    cells: tuple[tuple[CellPicture, Point], ...]
    width: float
    height: float
    compares: tuple[str, str] | None = None
    """The names of the two genotypes of a comparison."""

    @property
    def operations(self) -> list[str]:
        """The operations drawn, in the order of their table."""
        used = {route.arrow.operation for cell, _ in self.cells for route in cell.routes}
        return [name for name in operation_colours() if name in used]


def choose_cells(genotype: Genotype, names: Sequence[str]) -> Genotype:
    """Only the named cells of a genotype; all of them where none is named.

    Raises:
        ConfigError: for a cell that is not there.
    """
    for name in names:
        if name not in genotype.cells:
            known = ", ".join(genotype.cells)
            raise ConfigError(f"cells: {genotype.name} has no {name!r}; expected some of {known}")
    kept = {name: genotype.cells[name] for name in names or genotype.cells}
    return replace(genotype, cells=kept)


def genotype_sheet(genotype: Genotype) -> Sheet:
    """All cells of a genotype."""
    cells = [picture_cell(name, *cell_graph(gene)) for name, gene in genotype.cells.items()]
    return arrange(genotype.name, cells)


def comparison_sheet(first: Genotype, second: Genotype) -> Sheet:
    """All cells of two genotypes, one over the other: arrows of both, of the first, the second."""
    names = dict.fromkeys([*first.cells, *second.cells])
    cells = [
        picture_cell(name, *compare_cells(first.cells.get(name), second.cells.get(name)))
        for name in names
    ]
    labels = (first.name, second.name)
    if first.name == second.name:
        labels = (f"{first.name} (first)", f"{second.name} (second)")
    return replace(arrange(" and ".join(labels), cells), compares=labels)


def picture_cell(name: str, vertices: Sequence[Vertex], arrows: Sequence[Arrow]) -> CellPicture:
    """A cell with its vertices placed and its arrows led round them."""
    places, rows = place_vertices(vertices, arrows)
    boxes = [vertex_box(each, places[each.name]) for each in vertices]
    routes = route_arrows(vertices, arrows, places)
    curves = [route.points for route in routes]
    left = min(0.0 if rows else boxes[0][0], *(box[0] for box in boxes))
    bottom = min(min(box[1] for box in boxes), *(float(curve[:, 1].min()) for curve in curves))
    right = max(max(box[2] for box in boxes), *(float(curve[:, 0].max()) for curve in curves))
    top = max(max(box[3] for box in boxes), *(float(curve[:, 1].max()) for curve in curves))
    x, y = MARGIN - left, MARGIN - bottom
    levels = sorted({vertex.level for vertex in vertices if vertex.role == "output"})
    strides = ", ".join(str(2**level) for level in levels)
    return CellPicture(
        name,
        f"{name} (stride{'s' if len(levels) > 1 else ''} {strides})",
        tuple(vertices),
        {key: (place[0] + x, place[1] + y) for key, place in places.items()},
        tuple(route.moved(x, y) for route in routes),
        {level: height + y for level, height in rows.items()},
        right + x + MARGIN,
        top + y + MARGIN + TITLE,
    )


def arrange(title: str, cells: Sequence[CellPicture]) -> Sheet:
    """Put cells from left to right and from the top down, as many beside each other as fit."""
    width = max(WIDTH if len(cells) > 1 else 6.0, *(cell.width for cell in cells))
    bands: list[list[CellPicture]] = []
    for cell in cells:
        # A high cell with rows and a low one without would leave a hole.
        alike = bool(bands) and bool(bands[-1][0].rows) == bool(cell.rows)
        if alike and sum(other.width for other in bands[-1]) + cell.width <= width:
            bands[-1].append(cell)
        else:
            bands.append([cell])
    heights = [max(cell.height for cell in band) for band in bands]
    y, placed = sum(heights), []
    for band, height in zip(bands, heights, strict=True):
        y -= height
        space = (width - sum(cell.width for cell in band)) / len(band)
        x = space / 2
        for cell in band:
            # Cells of a band hang from its upper edge, so that their titles are in line.
            placed.append((cell, (x, y + height - cell.height)))
            x += cell.width + space
    return Sheet(title, tuple(placed), width, sum(heights))

"""Drawings of detectors: an overview of their parts, and their searched cells below it."""

from collections.abc import Sequence
from pathlib import Path

from nasface.arch.genotype import Genotype
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.zoo import TABLE_SIZE
from nasface.drawing.draw import Drawing, check_drawing_path, drawing_of
from nasface.drawing.overview import overview, overview_title
from nasface.drawing.sheet import choose_cells, detector_sheet
from nasface.errors import ConfigError


def draw_detector(
    name: str,
    config: DetectorConfig,
    genotype: Genotype | None,
    path: Path | str | None = None,
    *,
    size: tuple[int, int] = TABLE_SIZE,
    cells: Sequence[str] = (),
) -> Drawing:
    """Draw the parts of a detector, with their cost and the size of their maps at images of
    ``size``, height and width; below them the cells of its genotype.

    Args:
        name: what the title calls it.
        config: its settings.
        genotype: its searched cells, if it has any.
        path: as in :func:`draw_genotype`.
        size: height and width of the image in pixels.
        cells: which to draw below; all by default.

    Raises:
        ConfigError, SpecError: for another suffix, a cell that is not there, or parts that do not
            fit together.
    """
    check_drawing_path(path)
    if cells and genotype is None:
        raise ConfigError(f"cells: {name} has no searched cells, its neck is {config.neck}")
    chosen = genotype and choose_cells(genotype, cells)
    costs = detector_cost(config, genotype, *size)
    title = overview_title(name, costs[0], size)
    table = overview(config, genotype, costs, size)
    return drawing_of(detector_sheet(title, table, chosen), path)

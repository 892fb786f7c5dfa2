"""Drawings of genotypes and detectors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nasface.arch.genotype import Genotype
from nasface.arch.io import names_genotype
from nasface.drawing.draw import Drawing, draw_genotype
from nasface.drawing.graph import NodeProbabilities
from nasface.errors import ConfigError

if TYPE_CHECKING:
    import nasface


def draw(
    source: "Genotype | nasface.FaceDetector | str | Path",
    path: Path | str | None = None,
    *,
    genotype: Genotype | str | Path | None = None,
    neck: str | None = None,
    against: Genotype | str | Path | None = None,
    cells: Sequence[str] = (),
    probabilities: Mapping[str, NodeProbabilities] | None = None,
) -> Drawing:
    """Draw a genotype, or a detector: the levels of its backbone, its neck and heads with widths
    and cost at images of 640 x 480, and below them its searched cells if it has any.

    Args:
        source: a genotype, a packaged one's name or a YAML file; a detector, a name of
            :func:`list_models`, or whatever :func:`load_detector` loads.
        path: file whose suffix (svg, png, pdf, dot) names its type; one that is there is replaced.
            None writes nothing.
        genotype: the cells of a model of the zoo that takes some; ``asfd-ref`` by default.
        neck: of a model of the zoo, in the place of its own, such as ``bifpn``, or ``genotype`` for
            searched cells.
        against: another genotype, drawn over the first: what both have in grey, the rest in two
            colours. Genotypes only.
        cells: which to draw; all by default.
        probabilities: for each cell, each node and each edge into it, in the genotype's order, the
            probability of the operation there, to be written beside it; ``None`` for no number.
            Of one genotype only.

    Raises:
        ConfigError: for another suffix, a name that is unknown, a cell that is not there, and what
            a detector cannot be drawn with.
        SpecError, RunError: for a file that holds neither a genotype nor a detector.
    """
    if genotype is neck is None and names_genotype(source):
        return draw_genotype(
            source, path, against=against, cells=cells, probabilities=probabilities
        )
    # Needs torch, which takes seconds to import.
    from nasface.api.named import detector_as_it_is
    from nasface.drawing.detector import draw_detector

    if against is not None or probabilities is not None:
        what = "probabilities" if against is None else "against"
        raise ConfigError(f"{what}: is for genotypes; {source} is no packaged name or YAML file")
    found = detector_as_it_is(source, genotype, neck)
    return draw_detector(found.title, found.config, found.genotype, path, cells=cells)

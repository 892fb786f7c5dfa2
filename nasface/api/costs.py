"""Parameters and multiply-adds of detectors, alone or beside published ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nasface.api.named import detector_in_settings
from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import TRUNK_PARTS, detector_cost
from nasface.detection.latency import LatencyTable
from nasface.detection.necks.registry import GENOTYPE, NECK_PARTS, NONE
from nasface.detection.zoo import FAMILY, MODELS, REFERENCE_GENOTYPE, TABLE_SIZE
from nasface.detection.zoo_facts import PEER_FACTS
from nasface.detection.zoo_peers import PEERS, ModelSpec
from nasface.nn.cost import Cost

MODEL_LISTS: Mapping[str, Mapping[str, ModelSpec]] = {"family": FAMILY, "peers": PEERS}
"""Lists of detectors of the zoo that are counted together, by name."""


@dataclass(frozen=True)
class DetectorCost:
    """What a detector costs: the whole, then each part."""

    title: str
    parts: Sequence[Cost]


@dataclass(frozen=True)
class NeckCost:
    """What a neck costs, alone and with the detector around it."""

    neck: str
    parameters: int
    macs: int
    detector_parameters: int
    detector_macs: int


@dataclass(frozen=True)
class ModelCost:
    """What a detector of the zoo costs, and what of it is published, in the same units: parameters
    and multiply-adds; None where nothing is, or not at this image size."""

    model: str
    parameters: int
    macs: int
    published_parameters: float | None
    published_macs: float | None


@dataclass(frozen=True)
class ModelCosts:
    """What several detectors cost; ``genotype`` names the cells of all, ``notes`` says what
    published counts hold besides."""

    title: str
    models: Sequence[ModelCost]
    genotype: str | None = None
    notes: Sequence[str] = ()


def count_detector(
    name: str,
    config: DetectorConfig,
    genotype: str | Path = REFERENCE_GENOTYPE,
    *,
    size: tuple[int, int],
) -> DetectorCost:
    """Return the cost of the detector that a word stands for, as of
    :func:`detector_in_settings`.

    ``size`` is height and width of the image.

    Raises:
        ConfigError, SpecError, RunError: for a word that stands for none.
    """
    found = detector_in_settings(name, config, genotype)
    return DetectorCost(found.title, detector_cost(found.config, found.genotype, *size))


def count_necks(
    config: DetectorConfig, genotype: str | Path, *, size: tuple[int, int]
) -> list[NeckCost]:
    """Return the cost of each hand-made neck, and of a genotype's, in one detector, at
    images of ``size``, height and width."""
    found = []
    for name in (NONE, *NECK_PARTS, GENOTYPE):
        cells = load_genotype(genotype) if name == GENOTYPE else None
        rows = detector_cost(replace(config, neck=name), cells, *size)
        around = [row for row in rows if row.part in TRUNK_PARTS]
        found.append(
            NeckCost(
                name if cells is None else cells.name,
                rows[0].parameters - sum(row.parameters for row in around),
                rows[0].macs - sum(row.macs for row in around),
                rows[0].parameters,
                rows[0].macs,
            )
        )
    return found


def count_zoo(which: str, genotype: str | Path, *, size: tuple[int, int]) -> ModelCosts:
    """Return the cost of a list of detectors of the zoo (:data:`MODEL_LISTS`); ``genotype`` is that
    of all that take one, ``size`` the height and width of the image."""
    models = MODEL_LISTS[which]
    cells = load_genotype(genotype) if which == "family" else None
    costs = [_model_cost(name, row, cells, size) for name, row in models.items()]
    if cells is not None:
        return ModelCosts(f"family with {cells.name}", costs, cells.name)
    notes = [
        f"Published counts of {name} hold {facts.counted}."
        for name, facts in PEER_FACTS.items()
        if facts.counted
    ]
    return ModelCosts("published detectors", costs, notes=notes if size == TABLE_SIZE else [])


def _model_cost(
    name: str, row: ModelSpec, genotype: Genotype | None, size: tuple[int, int]
) -> ModelCost:
    total = detector_cost(row.detector, genotype, *size)[0]
    parameters, macs = (row.parameters, row.macs) if size == TABLE_SIZE else (None, None)
    return ModelCost(
        name,
        total.parameters,
        total.macs,
        None if parameters is None else parameters * 1e6,
        None if macs is None else macs * 1e9,
    )


def predict_latency(
    table: LatencyTable, name: str, genotype: str | Path
) -> tuple[str, dict[str, float]]:
    """Return the name of a genotype, and milliseconds by a latency table of the whole, the trunk
    and each cell: that of ``name``, or ``genotype`` where that is a detector of the zoo."""
    found = load_genotype(genotype if name in MODELS else name)
    cells = {cell: table.of_cell(found, cell) for cell in found.cells}
    whole = table.predict(found)
    return found.name, {"total": whole, "trunk": whole - sum(cells.values()), **cells}

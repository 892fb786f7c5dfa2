"""Cost of a face detector, whole and in parts, and as a function of a search's choices."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from nasface.arch.genotype import Genotype, cascade
from nasface.arch.space import SearchSpace
from nasface.arrays import Float32
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.detection.latency import LatencyTable
from nasface.detection.necks.registry import neck_paths
from nasface.detection.pyramid import LEVELS
from nasface.nas.candidates import CandidateTable, select
from nasface.nas.cost_penalty import (
    CostOf,
    CostPenalty,
    Measure,
    counted_cost,
    operation_costs,
)
from nasface.nas.derive import genotype_of_paths
from nasface.nn.cost import Cost, measure_cost

FRAME: Mapping[str, str] = MappingProxyType(
    {"backbone": "backbone", "C6, C7": "extra", "laterals": "laterals", "heads": "heads"}
)
"""Parts around the module -> their attribute of the frame, in the order of the data; the module
stands before the last."""


def detector_cost(
    config: DetectorConfig, genotype: Genotype | None, height: int, width: int
) -> list[Cost]:
    """Return the cost of the detector, of the parts of its trunk and of each part of its neck."""
    with torch.device("meta"):
        detector = build_detector(config, genotype)
        image = torch.empty(1, 3, height, width)
    if config.first_shot != "two-step":
        # Inference has no first shot.
        detector.trunk.first_laterals = nn.ModuleList()
    trunk = {part: f"trunk.{path}" for part, path in FRAME.items()}
    heads = trunk.popitem()
    if detector.trunk.first_laterals:
        trunk["laterals of the first step"] = "trunk.first_laterals"
    parts = {
        **trunk,
        **{k: f"neck.{path}" for k, path in neck_paths(detector.neck).items()},
        heads[0]: heads[1],
    }
    return measure_cost(detector, (image,), parts)


def detector_cost_penalty(
    config: DetectorConfig,
    space: SearchSpace,
    size: tuple[int, int],
    measure: Measure | LatencyTable,
    before: Genotype | None = None,
) -> CostPenalty:
    """The cost of the derived detector as a function of the choices, at images of (height, width).

    ``measure`` is what is counted, or a table of measured times, whose milliseconds are the cost.
    What does not depend on the operations is measured on one derived detector; the projections of
    cat-leaf, which vary a little with the leaves, and combine rules count as they are there.

    Raises:
        ConfigError: for a table of another detector or image size.
    """
    height, width = size
    if isinstance(measure, LatencyTable):
        measure.check_made_for(config, (width, height))
        cost_of: CostOf = measure.operation_time
    else:
        cost_of = counted_cost(config.channels, measure)
    sizes = {level: (-(-height // 2**level), -(-width // 2**level)) for level in LEVELS}
    costs: dict[str, Float32] = {}
    for cell in space.cells:
        own = operation_costs(space, cell, sizes, cost_of)
        leader = space.leader(cell)
        costs[leader] = costs[leader] + own if leader in costs else own
    paths = {}
    for cell in space.deciding:
        table = CandidateTable.of(space, cell)
        paths[cell] = select(table, np.zeros(table.offered_EO.shape, np.float32))
    example = genotype_of_paths(space, paths)
    whole = example if before is None else cascade(before, example)
    if isinstance(measure, LatencyTable):
        total = measure.predict(whole)
    else:
        counted = detector_cost(config, whole, height, width)[0]
        total = counted.macs if measure == "macs" else counted.parameters
    searched = sum(
        float(costs[cell][pair]) for cell, path in paths.items() for node in path for pair in node
    )
    return CostPenalty(total - searched, costs)

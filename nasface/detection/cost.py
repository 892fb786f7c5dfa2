"""Cost of a face detector, whole and in parts, and as a function of a search's choices."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from nasface.arch.genotype import CellGene, Genotype, cascade
from nasface.arch.graph import width_name
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
    WidthCosts,
    counted_cost,
    operation_costs,
)
from nasface.nas.derive import NodePaths, genotype_of_paths
from nasface.nn.cell import build_module, inner_channels
from nasface.nn.cost import Cost, measure_cost

TRUNK_PARTS: Mapping[str, str] = MappingProxyType(
    {"backbone": "backbone", "C6, C7": "extra", "laterals": "laterals", "heads": "heads"}
)
"""Parts around the neck -> their attribute of the trunk, in the order of the data; the neck stands
before the last."""


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
    trunk = {part: f"trunk.{path}" for part, path in TRUNK_PARTS.items()}
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
    prefix_genotype: Genotype | None = None,
) -> CostPenalty:
    """Return the cost of the derived detector as a function of the choices, at images of (height,
    width).

    ``measure`` is what is counted, or a table of measured times, whose milliseconds are the cost.
    What does not depend on the operations is measured on one derived detector; the projections of
    cat-leaf, which vary a little with the leaves, and combine rules count as they are there.

    Raises:
        ConfigError: for a table of another detector or image size.
    """
    if isinstance(measure, LatencyTable):
        measure.check_made_for(config, (size[1], size[0]))
    cells = _CellCosts(config, space, size, measure)
    costs, paths, rules = {}, {}, {}
    for leader in space.leaders:
        table = CandidateTable.of(space, leader)
        nothing = np.zeros(table.offered_EO.shape, np.float32)
        fixed = (cell for cell in table.cells if cell not in table.widths)
        own = (cells.of_operations(cell, space.cells[cell].widths[0]) for cell in fixed)
        costs[leader] = sum(own, nothing)
        paths[leader] = select(table, nothing)
        widest = (width_name(max(each)) for each in table.widths.values())
        rules[leader] = (*(node.rules[0] for node in table.graph.nodes), *widest)
    example = genotype_of_paths(space, paths, rules)
    widths = {
        cell: tuple(
            cells.at_width(example, cell, width, paths[space.leader(cell)])
            for width in graph.widths
        )
        for cell, graph in space.cells.items()
        if len(graph.widths) > 1
    }
    searched = sum(
        float(costs[cell][pair]) for cell, path in paths.items() for node in path for pair in node
    )
    for cell in widths:
        searched += cells.alone(cell, example.cells[cell], example)
    whole = example if prefix_genotype is None else cascade(prefix_genotype, example)
    return CostPenalty(cells.of_detector(whole) - searched, costs, widths)


@dataclass(frozen=True)
class _CellCosts:
    """Costs of the cells of a space in a detector, for images of ``size`` (height, width)."""

    config: DetectorConfig
    space: SearchSpace
    size: tuple[int, int]
    measure: Measure | LatencyTable

    @property
    def sizes(self) -> dict[int, tuple[int, int]]:
        """Level -> height and width of its maps."""
        height, width = self.size
        return {level: (-(-height // 2**level), -(-width // 2**level)) for level in LEVELS}

    def of_operations(self, cell: str, width: float) -> Float32:
        """Return the cost (E, O) of each operation of a cell of some width on each edge."""
        channels = inner_channels(self.config.channels, width)
        if isinstance(self.measure, LatencyTable):
            cost_of: CostOf = partial(self.measure.operation_time, channels)
        else:
            cost_of = counted_cost(channels, self.measure)
        return operation_costs(self.space, cell, self.sizes, cost_of)

    def at_width(self, example: Genotype, cell: str, width: float, path: NodePaths) -> WidthCosts:
        """Return the costs of a cell of some width; its operations in ``example`` are ``path``."""
        if width == 0:
            edges = self.space.cells[cell].edges
            return WidthCosts(0.0, np.zeros((len(edges), len(self.space.operations)), np.float32))
        own = self.of_operations(cell, width)
        gene = replace(example.cells[cell], width=width)
        return WidthCosts(self.alone(cell, gene, example) - _on_path(own, path), own)

    def alone(self, name: str, gene: CellGene, genotype: Genotype) -> float:
        """Return the cost of a cell by itself; ``genotype`` is any."""
        only = replace(genotype, cells={name: gene})
        if isinstance(self.measure, LatencyTable):
            return self.measure.of_cell(only, name)
        with torch.device("meta"):
            module = build_module(only, self.config.channels, self.config.levels)
            features = {
                each.level: torch.empty(1, self.config.channels, *self.sizes[each.level])
                for each in gene.inputs
            }
        return _counted(measure_cost(module, (features,))[0], self.measure)

    def of_detector(self, genotype: Genotype) -> float:
        """Return the cost of the whole detector of a genotype."""
        if isinstance(self.measure, LatencyTable):
            return self.measure.predict(genotype)
        return _counted(detector_cost(self.config, genotype, *self.size)[0], self.measure)


def _counted(cost: Cost, measure: Measure) -> float:
    return cost.macs if measure == "macs" else cost.parameters


def _on_path(costs_EO: Float32, path: NodePaths) -> float:
    return sum(float(costs_EO[pair]) for node in path for pair in node)

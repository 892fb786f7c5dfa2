"""Cost of a face detector, whole and in parts, and as a function of a search's choices."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from nasface.arch.genotype import Genotype, cascade
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
    height, width = size
    if isinstance(measure, LatencyTable):
        measure.check_made_for(config, (width, height))
    sizes = {level: (-(-height // 2**level), -(-width // 2**level)) for level in LEVELS}

    def costs_at(cell: str, width: float) -> Float32:
        channels = inner_channels(config.channels, width)
        if isinstance(measure, LatencyTable):
            cost_of: CostOf = partial(measure.operation_time, channels)
        else:
            cost_of = counted_cost(channels, measure)
        return operation_costs(space, cell, sizes, cost_of)

    costs, paths, rules = {}, {}, {}
    for leader in space.leaders:
        table = CandidateTable.of(space, leader)
        nothing = np.zeros(table.offered_EO.shape, np.float32)
        fixed = (cell for cell in table.cells if cell not in table.widths)
        own = (costs_at(cell, space.cells[cell].widths[0]) for cell in fixed)
        costs[leader] = sum(own, nothing)
        paths[leader] = select(table, nothing)
        widest = (width_name(max(each)) for each in table.widths.values())
        rules[leader] = (*(node.rules[0] for node in table.graph.nodes), *widest)
    example = genotype_of_paths(space, paths, rules)
    whole = example if prefix_genotype is None else cascade(prefix_genotype, example)
    if isinstance(measure, LatencyTable):
        total = measure.predict(whole)
    else:
        total = _counted(detector_cost(config, whole, height, width)[0], measure)
    searched = sum(
        float(costs[cell][pair]) for cell, path in paths.items() for node in path for pair in node
    )

    def at_width(cell: str, width: float) -> WidthCosts:
        leader = space.leader(cell)
        if width == 0:
            return WidthCosts(0.0, np.zeros_like(costs[leader]))
        gene = replace(example.cells[cell], width=width)
        alone = _cell_cost(replace(example, cells={cell: gene}), config, sizes, measure)
        own = costs_at(cell, width)
        return WidthCosts(alone - _on_path(own, paths[leader]), own)

    widths = {
        cell: tuple(at_width(cell, each) for each in graph.widths)
        for cell, graph in space.cells.items()
        if len(graph.widths) > 1
    }
    for cell in widths:
        alone = replace(example, cells={cell: example.cells[cell]})
        searched += _cell_cost(alone, config, sizes, measure)
    return CostPenalty(total - searched, costs, widths)


def _counted(cost: Cost, measure: Measure) -> float:
    return cost.macs if measure == "macs" else cost.parameters


def _on_path(costs_EO: Float32, path: NodePaths) -> float:
    return sum(float(costs_EO[pair]) for node in path for pair in node)


def _cell_cost(
    genotype: Genotype,
    config: DetectorConfig,
    sizes: Mapping[int, tuple[int, int]],
    measure: Measure | LatencyTable,
) -> float:
    """Return the cost of the only cell of a genotype."""
    ((name, gene),) = genotype.cells.items()
    if isinstance(measure, LatencyTable):
        return measure.of_cell(genotype, name)
    with torch.device("meta"):
        module = build_module(genotype, config.channels, config.levels)
        features = {
            each.level: torch.empty(1, config.channels, *sizes[each.level]) for each in gene.inputs
        }
    return _counted(measure_cost(module, (features,))[0], measure)

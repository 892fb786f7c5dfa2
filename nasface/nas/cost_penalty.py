"""Expected cost of the derived network, as a differentiable function of the architecture
parameters.

Shape letters: E edge of a cell, O operation (column of the space's operation order).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from nasface.arch.space import SearchSpace
from nasface.arrays import Float32
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.candidates import CandidateTable, Pair, log_probabilities
from nasface.nas.config import CostPenaltyConfig
from nasface.nn.cost import measure_cost
from nasface.nn.operations import build_operation

Measure = Literal["macs", "parameters"]

CostOf: TypeAlias = Callable[[str, int, tuple[int, int]], float]
"""(operation, stride, height and width of its input) -> what it costs."""


def operation_costs(
    space: SearchSpace,
    cell: str,
    sizes: Mapping[int, tuple[int, int]],
    cost_of: CostOf,
) -> Float32:
    """Return what each candidate (E, O) of a cell costs in the derived cell; 0 where none is
    offered.

    ``sizes`` gives the height and width of each level for one image. Projections and combinations
    of nodes are not part of it.
    """
    graph = space.cells[cell]
    level = {each.name: each.level for each in graph.inputs}
    level |= {node.name: node.level for node in graph.nodes}
    costs = np.zeros((len(graph.edges), len(space.operations)), dtype=np.float32)
    known: dict[tuple[str, int, tuple[int, int]], float] = {}
    targets = [node.level for node in graph.nodes for _ in node.edges]
    for at, edge in enumerate(graph.edges):
        strided = edge.transform == "stride"
        size = sizes[level[edge.source] if strided else targets[at]]
        for name in edge.operations:
            key = (name, 2 if strided else 1, size)
            if key not in known:
                known[key] = cost_of(*key)
            costs[at, space.operations.index(name)] = known[key]
    return costs


def counted_cost(channels: int, measure: Measure) -> CostOf:
    """Return the multiply-adds (those of convolutions) or parameters of an operation."""

    def cost_of(name: str, stride: int, size: tuple[int, int]) -> float:
        with torch.device("meta"):
            operation = build_operation(name, channels, stride)
            (whole,) = measure_cost(operation, (torch.empty(1, channels, *size),))
        return whole.macs if measure == "macs" else whole.parameters

    return cost_of


def expected_cost(
    table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None, costs_EO: Tensor
) -> Tensor:
    """Return the expected cost of the operations of a derived cell, with ``none`` left out.

    Each place among a node's inputs is filled by its probabilities: where all edges are kept,
    those of the operations on each edge; else, as many times as edges are kept, those of all pairs.
    """
    logits = log_probabilities(table, alpha_EO, beta_E)
    total = alpha_EO.new_zeros(())
    for node, edges in zip(table.graph.nodes, table.slots, strict=True):
        every = node.kept == len(edges)
        groups = edges if every else (tuple(pair for pairs in edges for pair in pairs),)
        for pairs in groups:
            share = _share(logits, pairs)
            costs = costs_EO[[p[0] for p in pairs], [p[1] for p in pairs]]
            total = total + (share * costs).sum() * (1 if every else node.kept)
    return total


def _share(logits_EO: Tensor, pairs: tuple[Pair, ...]) -> Tensor:
    return logits_EO[[p[0] for p in pairs], [p[1] for p in pairs]].softmax(0)


@dataclass(frozen=True)
class WidthCosts:
    """What a cell costs at a width: ``costs_EO`` of its candidates, ``fixed`` of all else."""

    fixed: float
    costs_EO: Float32


@dataclass(frozen=True)
class CostPenalty:
    """The size of a network as a function of its choices.

    ``fixed`` is what the network costs apart from the operations of searched cells, and from cells
    whose width is searched; ``costs_EO`` holds for each cell with choices of its own what a
    candidate costs in all other cells that take them, together. ``widths`` holds for each cell
    whose width is searched what it costs at each of its widths.
    """

    fixed: float
    costs_EO: Mapping[str, Float32]
    widths: Mapping[str, tuple[WidthCosts, ...]] = field(default_factory=dict)

    def expected(self, arch_parameters: ArchitectureParameters) -> Tensor:
        """Return the expected cost of the derived network."""
        total = torch.tensor(self.fixed, dtype=torch.float64)
        for cell, table in arch_parameters.tables.items():
            alpha, beta = arch_parameters.of(cell)
            costs = torch.from_numpy(self.costs_EO[cell]).to(alpha.device)
            for name in table.widths:
                share_W = arch_parameters.width_shares(name)
                for share, at_width in zip(share_W, self.widths[name], strict=True):
                    costs = costs + share * torch.from_numpy(at_width.costs_EO).to(alpha.device)
                    total = total + share.cpu().double() * at_width.fixed
            found = expected_cost(table, alpha, beta, costs)
            total = total + found.cpu().double()
        return total

    def penalty(self, arch_parameters: ArchitectureParameters, config: CostPenaltyConfig) -> Tensor:
        """Return the term of the architecture loss: weight * max(0, expected / target - 1)."""
        return config.weight * (self.expected(arch_parameters) / config.target - 1).clamp(min=0)

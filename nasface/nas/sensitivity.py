"""Choices that the loss does not see: those without a gradient.

A cell on a level whose anchors fit no face of the crops, say, changes nothing in the loss. Its
choices then move by noise and decay alone, and what is derived of it is drawn at random.
"""

from collections.abc import Mapping

import numpy as np

from nasface.arrays import Float64
from nasface.nas.arch_parameters import ArchitectureParameters

BLIND = 1e-6
"""A choice is blind if its mean gradient is below this share of the greatest."""


class Sensitivity:
    """Mean absolute gradient of the architecture parameters of every node that has a choice, over
    architecture steps."""

    def __init__(self, arch_parameters: ArchitectureParameters) -> None:
        self.tables = arch_parameters.tables
        self.steps = 0
        self.sums: Mapping[str, Float64] = {
            cell: np.zeros(len(table.graph.nodes)) for cell, table in self.tables.items()
        }

    def add(self, arch_parameters: ArchitectureParameters) -> None:
        """Count the gradients of a step."""
        self.steps += 1
        for cell, table in self.tables.items():
            gradient = arch_parameters.of(cell)[0].grad
            if gradient is None:
                continue
            by_edge = gradient.detach().abs().sum(dim=1).cpu().double().numpy()
            self.sums[cell][:] += [by_edge[list(edges)].sum() for edges in table.graph.edges_into]

    def blind(self) -> dict[str, tuple[str, ...]]:
        """Return cell -> its nodes that have a choice of edges or operations without a gradient.

        Empty before the first step, and if no choice at all has one.
        """
        greatest = max((float(sums.max()) for sums in self.sums.values()), default=0.0)
        if greatest == 0:
            return {}
        found = {}
        for cell, table in self.tables.items():
            nodes = zip(table.graph.nodes, table.graph.edges_into, self.sums[cell], strict=True)
            names = tuple(
                node.name
                for node, edges, total in nodes
                if table.open_EO[list(edges)].any() and total < BLIND * greatest
            )
            if names:
                found[cell] = names
        return found

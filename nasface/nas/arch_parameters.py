"""The architecture parameters of a search space, and what a policy makes of them.

They are ordinary parameters and so part of every state dict.
"""

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from nasface.arch.space import SearchSpace
from nasface.errors import ConfigError
from nasface.nas.candidates import CandidateTable
from nasface.nas.mixture import CellMixture
from nasface.nas.policy import Policy, RulePolicy, StepRandom
from nasface.nas.rules import width_of
from nasface.nn.keys import module_key
from nasface.random_streams import Purpose


class ArchitectureParameters(nn.Module):
    """The architecture parameters of a space: per cell ``alpha_EO``, with edge normalisation
    ``beta_E``, and ``gamma_NR`` where nodes choose their combine rule or cells their width.

    All start as 1e-3 times a normal draw (as DARTS and PC-DARTS do). Cells that share their choices
    have the parameters of the first of them.
    """

    def __init__(self, space: SearchSpace, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.space = space
        self.tables = {cell: CandidateTable.of(space, cell) for cell in space.leaders}
        self.alpha = nn.ParameterDict()
        self.beta = nn.ParameterDict()
        self.gamma = nn.ParameterDict()
        for cell, table in self.tables.items():
            shape = table.offered_EO.shape
            key = module_key(cell)
            self.alpha[key] = nn.Parameter(1e-3 * torch.randn(shape, generator=generator))
            if space.edge_normalisation:
                self.beta[key] = nn.Parameter(1e-3 * torch.randn(shape[0], generator=generator))
            if table.rules.open:
                rules = table.rules.offered_NR.shape
                self.gamma[key] = nn.Parameter(1e-3 * torch.randn(rules, generator=generator))

    def of(self, cell: str) -> tuple[nn.Parameter, nn.Parameter | None]:
        """Return ``alpha_EO`` and, with edge normalisation, ``beta_E`` of a cell."""
        key = module_key(cell)
        return self.alpha[key], self.beta.get(key, None)

    def width_shares(self, cell: str) -> Tensor:
        """Return the probabilities of the widths of a cell that has a choice of them, in the order
        of the space; differentiable."""
        leader = self.space.leader(cell)
        table = self.tables[leader].rules
        row = table.nodes.index(width_of(cell))
        columns = [table.names.index(name) for name in table.rules[row]]
        gamma_NR = cast(Tensor, self.gamma[module_key(leader)])
        return gamma_NR[row, columns].softmax(0)

    def mixture(
        self,
        policy: Policy,
        *,
        seed: int,
        step: int,
        purpose: Purpose = Purpose.WEIGHT_PATHS,
    ) -> dict[str, CellMixture]:
        """Return what each cell executes in a step; differentiable unless gradients are switched
        off."""
        found: dict[str, CellMixture] = {}
        for at, (cell, table) in enumerate(self.tables.items()):
            draw = StepRandom(seed, at, step, purpose)
            found[cell] = policy.mix(table, *self.of(cell), draw)
            gamma = self.gamma.get(module_key(cell), None)
            if gamma is not None:
                if not isinstance(policy, RulePolicy):
                    raise ConfigError(
                        f"space {self.space.name}: nodes choose their combine rule, or cells "
                        "their width; expected a policy with mix_rules, which "
                        f"{type(policy).__name__} lacks"
                    )
                rules = policy.mix_rules(table.rules, gamma, draw)
                found[cell] = replace(found[cell], rules=rules)
        return {cell: found[self.space.leader(cell)] for cell in self.space.cells}

"""Search of what has a name: the combine rule of a node and the width of a cell.

Candidates, mixture under a policy, module of the rules (:mod:`nasface.nas.widths` has that of the
widths). It is made in the same way as the choice of operations (:mod:`nasface.nas.gates`): one
architecture parameter, ``gamma``, for each rule that a node may have; straight-through gates and
probes on a path; all rules, weighted, in a mixture. The width of a cell is one more node here, and
its candidates are its rules.

Shape letters: N node of a cell, then widths; R combine rule, or width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nasface.arch.graph import CellGraph, width_name
from nasface.arrays import Float32
from nasface.nn.combine import add_up, build_combine
from nasface.nn.keys import module_key

OUT = width_name(0)
"""Name of the width that leaves a cell out."""


def width_of(cell: str) -> str:
    """Return the name of a cell's width among the nodes, whose own names have no full stop."""
    return f"{cell}.width"


@dataclass(frozen=True)
class RuleTable:
    """The combine rules that each node of a cell offers, then the widths that are searched.

    ``nodes`` are the names of the nodes, then those that :func:`width_of` gives to widths.
    ``names`` are the rules in the order of the columns, ``offered_NR`` says which of them a node
    may have, and ``rules`` says the same in the order of the space.
    """

    nodes: tuple[str, ...]
    names: tuple[str, ...]
    offered_NR: npt.NDArray[np.bool_]
    rules: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, graph: CellGraph, widths: Mapping[str, Sequence[float]]) -> "RuleTable":
        """Return the table of a cell, with the ``widths`` of cells that share its choices."""
        offers = {node.name: node.rules for node in graph.nodes}
        offers |= {width_of(cell): tuple(map(width_name, each)) for cell, each in widths.items()}
        names = tuple(dict.fromkeys(name for each in offers.values() for name in each))
        offered = np.array([[name in each for name in names] for each in offers.values()])
        return cls(tuple(offers), names, offered, tuple(offers.values()))

    @property
    def open(self) -> tuple[int, ...]:
        """Positions of the nodes that have a choice."""
        return tuple(int(at) for at in np.flatnonzero(self.offered_NR.sum(axis=1) > 1))

    def probabilities(self, gamma_NR: Float32) -> Float32:
        """Return softmax(gamma) over the rules of each node, zero where one is not offered."""
        logits = np.where(self.offered_NR, gamma_NR, -np.inf).astype(np.float32)
        result: Float32 = torch.from_numpy(logits).softmax(-1).numpy()
        return result

    def best(self, gamma_NR: Float32) -> tuple[str, ...]:
        """Return for each node the rule with the largest gamma; ties go to the first."""
        scores = self.probabilities(gamma_NR)
        return tuple(self.names[int(at)] for at in scores.argmax(axis=1))


@dataclass(frozen=True)
class GatedRule:
    """A rule that is executed. ``gate`` multiplies its result and is ``None`` for a plain one; a
    probe is run without a graph."""

    rule: str
    gate: Tensor | None = None
    is_probe: bool = False


RuleMixture: TypeAlias = Mapping[str, tuple[GatedRule, ...]]
"""Node, or width of a cell, that has a choice -> the rules that it executes, whose gated results
are added up."""


def weighted_rules(table: RuleTable, gamma_NR: Tensor) -> RuleMixture:
    """Return all rules of each node, weighted by softmax(gamma)."""
    weights = _log_probabilities(table, gamma_NR).exp()
    return {
        table.nodes[at]: tuple(
            GatedRule(table.names[column], weights[at, column]) for column in _columns(table, at)
        )
        for at in table.open
    }


def sampled_rules(
    table: RuleTable,
    gamma_NR: Tensor,
    generator: np.random.Generator,
    *,
    noise: float = 1.0,
    probes: int = 0,
    temperature: float | None = None,
) -> RuleMixture:
    """Return for each node the rule with the greatest log-probability plus ``noise`` times Gumbel
    noise.

    Without noise that is the argmax. The gate's probability is softmax(gamma), or with a
    ``temperature`` that of the noisy log-probabilities over it.
    """
    logits = _log_probabilities(table, gamma_NR)
    drawn = torch.from_numpy(generator.gumbel(size=table.offered_NR.shape).astype(np.float32))
    noisy = logits + noise * drawn.to(logits.device) if noise else logits
    best = noisy.detach().argmax(dim=1).tolist()
    shaped = logits if temperature is None else noisy / temperature
    return {
        table.nodes[at]: _gated(table, shaped[at], at, best[at], probes, generator)
        for at in table.open
    }


def given_rules(
    table: RuleTable, columns: Mapping[int, int], gamma_NR: Tensor, generator: np.random.Generator
) -> RuleMixture:
    """Return the rules that are named, position of the node -> column, gated where gamma wants a
    gradient."""
    logits = _log_probabilities(table, gamma_NR)
    return {
        table.nodes[at]: _gated(table, logits[at], at, column, 0, generator)
        for at, column in columns.items()
    }


def _gated(
    table: RuleTable,
    logits_R: Tensor,
    node: int,
    chosen: int,
    probes: int,
    generator: np.random.Generator,
) -> tuple[GatedRule, ...]:
    """Return the chosen rule with a gate of value one, and probes with gates of value zero."""
    if not logits_R.requires_grad:
        return (GatedRule(table.names[chosen]),)
    rivals = [column for column in _columns(table, node) if column != chosen]
    drawn = [rivals[at] for at in generator.permutation(len(rivals))[:probes]]
    own, *others = unit_gates(logits_R[[chosen, *(drawn or rivals)]])
    probes_run = (
        GatedRule(table.names[column], others[at], is_probe=True) for at, column in enumerate(drawn)
    )
    return (GatedRule(table.names[chosen], own), *probes_run)


def unit_gates(logits: Tensor) -> list[Tensor]:
    """Return a gate of value one for the first of the competitors, and gates of value zero for the
    others; their gradients are those of softmax(logits)."""
    probability = logits.softmax(0)
    first, *others = probability - probability.detach()
    return [first + 1.0, *others]


def _columns(table: RuleTable, node: int) -> list[int]:
    return [int(column) for column in np.flatnonzero(table.offered_NR[node])]


def _log_probabilities(table: RuleTable, gamma_NR: Tensor) -> Tensor:
    offered = torch.from_numpy(table.offered_NR).to(gamma_NR.device)
    return gamma_NR.masked_fill(~offered, -torch.inf).log_softmax(dim=1)


class SearchedCombine(nn.Module):
    """All the rules that a node may have."""

    def __init__(self, rules: Sequence[str], channels: int, edges: int) -> None:
        super().__init__()
        self.rules = nn.ModuleDict(
            {
                module_key(name): build_combine(name, channels, edges, searched=True)
                for name in rules
            }
        )

    def forward(
        self, values: Sequence[Tensor], numbers: Sequence[int], chosen: Sequence[GatedRule]
    ) -> Tensor:
        """Return the value of the node, from the values of the edges, the edges' numbers and the
        rules to run."""
        return add_up(self._run(each, values, numbers) for each in chosen)

    def _run(self, each: GatedRule, values: Sequence[Tensor], numbers: Sequence[int]) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not each.is_probe):
            value = cast(Tensor, self.rules[module_key(each.rule)](values, numbers))
        return value if each.gate is None else each.gate * value

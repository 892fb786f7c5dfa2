"""Strict fairness: weight steps that train every candidate of a node equally often.

Source: FairNAS (Chu et al., ICCV 2021, section 3.2 and algorithm 1). Several paths are run on the
same images and their gradients added up before the weights move, such that each candidate of a
layer is on exactly one of them. A node here may keep several of its edges and has more candidates
than another, so that as many paths are run as the node with the most candidates has, and the others
go through theirs several times. Deviation: the gradient is the mean over paths, not their sum, so
that what all paths share keeps its learning rate.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from nasface.nas.candidates import CandidateTable, Pair
from nasface.nas.mixture import GatedOp, InputSlot, PathMixture
from nasface.nas.policy import RULE_DRAWS, StepRandom
from nasface.nas.rules import RuleMixture, RuleTable, given_rules


def paths_per_step(tables: Iterable[CandidateTable]) -> int:
    """Return how many paths a step runs: the number of candidates of the node with the most.

    Candidates of a node that keeps all of its edges are those of one edge, since it has one of each
    on every path; of another node those of all of its edges; and the combine rules. Those of a
    cell are its widths.
    """
    most = 1
    for table in tables:
        for node, edges in zip(table.graph.nodes, table.slots, strict=True):
            sizes = [len(pairs) for pairs in edges]
            most = max(most, max(sizes) if node.kept == len(edges) else sum(sizes))
        most = max(most, *map(len, table.rules.rules))
    return most


@dataclass(frozen=True)
class FairPath:
    """Paths that are numbered over all steps by ``draw.step``.

    A node goes through its edges in an order that is drawn anew once it has been through all of
    their candidates, and on each edge through its operations likewise: in as many paths as it has
    candidates, each is on as many of them as the node keeps edges, if all edges have as many
    operations. Gradients of architecture parameters are not part of it.
    """

    def mix(
        self, table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None, draw: StepRandom
    ) -> PathMixture:
        """See :class:`nasface.nas.policy.Policy`."""
        return PathMixture(
            tuple(
                tuple(InputSlot(GatedOp(*pair)) for pair in _pairs(table, node, draw))
                for node in range(len(table.graph.nodes))
            )
        )

    def mix_rules(self, table: RuleTable, gamma_NR: Tensor, draw: StepRandom) -> RuleMixture:
        """See :class:`nasface.nas.policy.RulePolicy`."""
        columns = {}
        for node in table.open:
            offered = np.flatnonzero(table.offered_NR[node])
            round_, turn = divmod(draw.step, len(offered))
            columns[node] = int(draw.generator(node, round_, RULE_DRAWS).permutation(offered)[turn])
        return given_rules(table, columns, gamma_NR.detach(), draw.generator(draw.step, RULE_DRAWS))


def _pairs(table: CandidateTable, node: int, draw: StepRandom) -> tuple[Pair, ...]:
    edges = table.slots[node]
    kept = table.graph.nodes[node].kept
    # In a round as many paths as candidates, so ``kept`` times through all of them: consecutive
    # places in one cyclic order of the edges never name an edge twice.
    length = max(map(len, edges)) * (1 if kept == len(edges) else len(edges))
    round_, turn = divmod(draw.step, length)
    generator = draw.generator(node, round_)
    order = generator.permutation(len(edges))
    operations = [generator.permutation(len(pairs)) for pairs in edges]
    if kept == len(edges):
        return tuple(
            pairs[int(own[turn % len(pairs)])] for pairs, own in zip(edges, operations, strict=True)
        )
    found = []
    for place in range(turn * kept, (turn + 1) * kept):
        edge = int(order[place % len(edges)])
        pairs = edges[edge]
        found.append(pairs[int(operations[edge][place // len(edges) % len(pairs)])])
    return tuple(found)

"""Coverage of the candidates by a search: a count per cell, edge and operation, per combine rule of
a node, and per width of a cell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nasface.arrays import Float32
from nasface.nas.candidates import CandidateTable, pair_scores
from nasface.nas.mixture import Mixture, PathMixture
from nasface.nas.rules import OUT, GatedRule, RuleMixture, width_of


class Coverage:
    """Counts of the weight steps in which each (edge, operation) pair, and each combine rule of a
    node or width of a cell that has a choice of it, was executed. Of pairs it is the steps at any
    width above 0."""

    def __init__(self, tables: Mapping[str, CandidateTable]) -> None:
        self.tables = dict(tables)
        self.counts: dict[str, npt.NDArray[np.int64]] = {
            cell: np.zeros(table.offered_EO.shape, dtype=np.int64)
            for cell, table in self.tables.items()
        }
        self.rule_counts: dict[str, npt.NDArray[np.int64]] = {
            cell: np.zeros(table.rules.offered_NR.shape, dtype=np.int64)
            for cell, table in self.tables.items()
            if table.rules.open
        }

    def add(self, mixture: Mixture) -> None:
        """Count one weight step."""
        for cell in self.tables:
            chosen = mixture[cell]
            for node, rules in chosen.rules.items():
                table = self.tables[cell].rules
                columns = [table.names.index(each.rule) for each in _executed(rules)]
                self.rule_counts[cell][table.nodes.index(node), columns] += 1
            if _is_out(self.tables[cell], chosen.rules):
                continue
            if isinstance(chosen, PathMixture):
                for pair in chosen.pairs:
                    self.counts[cell][pair] += 1
            else:
                self.counts[cell] += self.tables[cell].offered_EO

    def unvisited(self) -> int:
        """Return the number of candidates, over all cells, that no weight step has executed."""
        return sum(
            int((table.open_EO & (self.counts[cell] == 0)).sum())
            for cell, table in self.tables.items()
        ) + sum(
            int((_open_rules(self.tables[cell]) & (counts == 0)).sum())
            for cell, counts in self.rule_counts.items()
        )

    def candidates(self) -> int:
        """Return the number of candidates between which the space leaves a choice."""
        return sum(
            int(table.open_EO.sum()) + int(_open_rules(table).sum())
            for table in self.tables.values()
        )

    def state(self) -> dict[str, list[list[int]]]:
        """Return the counts as plain lists, for a checkpoint."""
        rules = {f"{cell}{_RULES}": counts for cell, counts in self.rule_counts.items()}
        return {name: counts.tolist() for name, counts in (self.counts | rules).items()}

    def load(self, state: Mapping[str, list[list[int]]]) -> None:
        """Take over the counts of a checkpoint."""
        for cell in self.counts:
            self.counts[cell] = np.array(state[cell], dtype=np.int64)
        for cell in self.rule_counts:
            self.rule_counts[cell] = np.array(state[f"{cell}{_RULES}"], dtype=np.int64)


_RULES = ".rules"
"""Behind the name of a cell, which has no full stop: its counts of rules in a state."""


def _is_out(table: CandidateTable, rules: RuleMixture) -> bool:
    """Return whether all cells that take the choices of a table are left out."""
    return all(
        each in table.widths and {rule.rule for rule in _executed(rules[width_of(each)])} == {OUT}
        for each in table.cells
    )


def _executed(rules: Sequence[GatedRule]) -> list[GatedRule]:
    """Return the rules that are no probes."""
    return [each for each in rules if not each.is_probe]


def _open_rules(table: CandidateTable) -> npt.NDArray[np.bool_]:
    """Return the rules between which there is a choice, (nodes, rules)."""
    is_open = np.zeros_like(table.rules.offered_NR)
    is_open[list(table.rules.open)] = table.rules.offered_NR[list(table.rules.open)]
    return is_open


@dataclass(frozen=True)
class Decision:
    """Entropy, margin and coverage of the choice at a node.

    ``entropy`` of its pair probabilities, in [0, 1] of the greatest possible; ``margin``: how far
    the probability of a kept pair is ahead of the best that could take its place, where that is
    least; ``least`` and ``most``: visits of its candidates. A node that keeps all its edges chooses
    on each for itself: ``entropy`` is then the mean over these edges. The choice of a node's
    combine rule is a row of its own, with ``what`` ``combine``; so is that of a cell's width, with
    ``node`` and ``what`` ``width``.
    """

    cell: str
    node: str
    candidates: int
    entropy: float
    margin: float
    least: int
    most: int
    what: str = "edges"


def decisions(
    coverage: Coverage,
    alphas: Mapping[str, Float32],
    betas: Mapping[str, Float32],
    gammas: Mapping[str, Float32],
) -> list[Decision]:
    """Return a row for every node of every cell that leaves a choice."""
    rows = []
    for cell, table in coverage.tables.items():
        scores = pair_scores(table, alphas[cell], betas.get(cell))
        for node, edges in zip(table.graph.nodes, table.graph.edges_into, strict=True):
            is_open = table.open_EO[list(edges)]
            if is_open.sum() < 2:
                continue
            by_edge = [
                scores[edge][table.open_EO[edge]] for edge in edges if table.open_EO[edge].any()
            ]
            apart = node.kept == len(node.edges)
            groups = [([each], 1) for each in by_edge] if apart else [(by_edge, node.kept)]
            counts = coverage.counts[cell][list(edges)][is_open]
            rows.append(
                Decision(
                    cell,
                    node.name,
                    int(is_open.sum()),
                    float(np.mean([_entropy(each) for each, _ in groups])),
                    min(_margin(each, kept) for each, kept in groups),
                    int(counts.min()),
                    int(counts.max()),
                )
            )
        if table.rules.open:
            rows += _rule_decisions(table, gammas[cell], coverage.rule_counts[cell])
    return rows


def _rule_decisions(
    table: CandidateTable, gamma_NR: Float32, counts: npt.NDArray[np.int64]
) -> Iterator[Decision]:
    rules = table.rules
    scores = rules.probabilities(gamma_NR)
    nodes, widths = len(table.graph.nodes), list(table.widths)
    for node in rules.open:
        offered = rules.offered_NR[node]
        own, visits = [scores[node][offered]], counts[node][offered]
        of_node = node < nodes
        yield Decision(
            table.cell if of_node else widths[node - nodes],
            rules.nodes[node] if of_node else "width",
            len(own[0]),
            _entropy(own),
            _margin(own, 1),
            int(visits.min()),
            int(visits.max()),
            "combine" if of_node else "width",
        )


def _entropy(scores_by_edge: list[Float32]) -> float:
    """Return the entropy in [0, 1] of the greatest possible."""
    probability = np.concatenate(scores_by_edge)
    probability = probability / probability.sum()
    entropy = -(probability * np.log(np.maximum(probability, 1e-12))).sum()
    return float(entropy / np.log(len(probability)))


def _margin(scores_by_edge: list[Float32], kept: int) -> float:
    """Return the margin of the best operations on the ``kept`` best edges: before the next
    operation on the same edge, or the best on the first edge that is not kept."""
    whole = sum(float(each.sum()) for each in scores_by_edge)
    ranked = sorted((np.sort(each)[::-1] for each in scores_by_edge), key=lambda each: -each[0])
    margins = [each[0] - each[1] for each in ranked[:kept] if len(each) > 1]
    if kept < len(ranked):
        margins.append(ranked[kept - 1][0] - ranked[kept][0])
    return float(min(margins)) / whole

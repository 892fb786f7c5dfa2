"""Which candidates a search has trained: a count per cell, edge and operation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nasface.arrays import Float32
from nasface.search.candidates import CandidateTable, pair_scores
from nasface.search.policy import Mixture, PathMixture


class Coverage:
    """Counts of the weight steps in which each (edge, operation) pair was executed."""

    def __init__(self, tables: Mapping[str, CandidateTable]) -> None:
        self.tables = dict(tables)
        self.counts: dict[str, npt.NDArray[np.int64]] = {
            cell: np.zeros(table.offered_EO.shape, dtype=np.int64)
            for cell, table in self.tables.items()
        }

    def add(self, mixture: Mixture) -> None:
        """Count one weight step."""
        for cell, chosen in mixture.items():
            if isinstance(chosen, PathMixture):
                for pair in chosen.pairs:
                    self.counts[cell][pair] += 1
            else:
                self.counts[cell] += self.tables[cell].offered_EO

    def unvisited(self) -> int:
        """Number of candidates, over all cells, that no weight step has executed."""
        return sum(
            int((table.open_EO & (self.counts[cell] == 0)).sum())
            for cell, table in self.tables.items()
        )

    def candidates(self) -> int:
        """Number of candidates between which the space leaves a choice."""
        return sum(int(table.open_EO.sum()) for table in self.tables.values())

    def state(self) -> dict[str, list[list[int]]]:
        """The counts as plain lists, for a checkpoint."""
        return {cell: counts.tolist() for cell, counts in self.counts.items()}

    def load(self, state: Mapping[str, list[list[int]]]) -> None:
        """Take over the counts of a checkpoint."""
        for cell in self.counts:
            self.counts[cell] = np.array(state[cell], dtype=np.int64)


@dataclass(frozen=True)
class Decision:
    """How decided a node of a search is.

    ``entropy`` of its pair probabilities, in [0, 1] of the greatest possible; ``margin``: how far
    the probability of a kept pair is ahead of the best that could take its place, where that is
    least; ``least`` and ``most``: visits of its candidates. A node that keeps all its edges chooses
    on each for itself: ``entropy`` is then the mean over these edges.
    """

    cell: str
    node: str
    candidates: int
    entropy: float
    margin: float
    least: int
    most: int


def decisions(
    coverage: Coverage, alphas: Mapping[str, Float32], betas: Mapping[str, Float32]
) -> list[Decision]:
    """A row for every node of every cell that leaves a choice."""
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
    return rows


def _entropy(scores_by_edge: list[Float32]) -> float:
    """In [0, 1] of the greatest possible."""
    probability = np.concatenate(scores_by_edge)
    probability = probability / probability.sum()
    entropy = -(probability * np.log(np.maximum(probability, 1e-12))).sum()
    return float(entropy / np.log(len(probability)))


def _margin(scores_by_edge: list[Float32], kept: int) -> float:
    """Of the best operations on the ``kept`` best edges: before the next operation on the same
    edge, or the best on the first edge that is not kept."""
    whole = sum(float(each.sum()) for each in scores_by_edge)
    ranked = sorted((np.sort(each)[::-1] for each in scores_by_edge), key=lambda each: -each[0])
    margins = [each[0] - each[1] for each in ranked[:kept] if len(each) > 1]
    if kept < len(ranked):
        margins.append(ranked[kept - 1][0] - ranked[kept][0])
    return float(min(margins)) / whole

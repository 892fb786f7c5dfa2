"""Scores of (edge, operation) pairs and the selection of a path by them.

Forward policies and derivation both use these functions, so that what a search executes and what
is derived from it cannot drift apart. Decisions are taken once per step, on the host.

Shape letters: E edge of a cell, O operation (column of the space's operation order).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nasface.arch.graph import CellGraph
from nasface.arch.space import SearchSpace
from nasface.arrays import Float32
from nasface.nas.rules import RuleTable

Pair: TypeAlias = tuple[int, int]
"""(edge, column): an operation on an edge."""


@dataclass(frozen=True)
class CandidateTable:
    """The choices of one cell: which columns each edge offers.

    ``offered_EO`` includes ``none``, which takes part in a mixture; ``eligible_EO`` does not, since
    ``none`` is never put on a path or derived. ``cells`` are those that take these choices, and
    ``widths`` the candidates of those among them that have a choice of their width.
    """

    cell: str
    graph: CellGraph
    offered_EO: npt.NDArray[np.bool_]
    eligible_EO: npt.NDArray[np.bool_]
    cells: tuple[str, ...]
    widths: Mapping[str, tuple[float, ...]]

    @classmethod
    def of(cls, space: SearchSpace, cell: str) -> "CandidateTable":
        """Return the table of a cell of a space."""
        graph = space.cells[cell]
        offered = np.zeros((len(graph.edges), len(space.operations)), dtype=bool)
        for edge, columns in enumerate(space.candidates(cell)):
            offered[edge, list(columns)] = True
        eligible = offered & (np.array(space.operations) != "none")
        cells = tuple(name for name in space.cells if space.leader(name) == cell)
        return cls(cell, graph, offered, eligible, cells, space.searched_widths(cell))

    @cached_property
    def slots(self) -> tuple[tuple[tuple[Pair, ...], ...], ...]:
        """For each node, for each edge into it, the eligible pairs."""
        return tuple(
            tuple(
                tuple((edge, int(column)) for column in np.flatnonzero(self.eligible_EO[edge]))
                for edge in edges
            )
            for edges in self.graph.edges_into
        )

    @cached_property
    def rules(self) -> RuleTable:
        """The choices of combine rules and widths."""
        return RuleTable.of(self.graph, self.widths)

    @cached_property
    def open_EO(self) -> npt.NDArray[np.bool_]:
        """The eligible pairs between which there is a choice: those not forced by the graph."""
        is_open = self.eligible_EO.copy()
        for node, edges in zip(self.graph.nodes, self.graph.edges_into, strict=True):
            if node.kept == len(node.edges):
                for edge in edges:
                    is_open[edge] &= self.eligible_EO[edge].sum() > 1
        return is_open


def pair_scores(table: CandidateTable, alpha_EO: Float32, beta_E: Float32 | None) -> Float32:
    """Return the probability of each pair: softmax(alpha) over an edge's candidates times
    softmax(beta).

    beta is normalised over the edges into a node; without it the factor is one (DARTS). float32
    (E, O), zero where an operation is not offered. ``none`` has a share of alpha's softmax.
    """
    logits = np.where(table.offered_EO, alpha_EO, -np.inf).astype(np.float32)
    scores = _softmax(logits)
    if beta_E is not None:
        for edges in table.graph.edges_into:
            at = list(edges)
            scores[at] *= _softmax(beta_E[at].astype(np.float32))[:, None]
    return scores


def log_probabilities(table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None) -> Tensor:
    """Return log(softmax(alpha) * softmax(beta)) as a differentiable tensor (E, O)."""
    offered = torch.from_numpy(table.offered_EO).to(alpha_EO.device)
    logits = alpha_EO.masked_fill(~offered, -torch.inf).log_softmax(dim=1)
    if beta_E is None:
        return logits
    edges = [beta_E[list(edges)].log_softmax(0) for edges in table.graph.edges_into]
    return logits + torch.cat(edges)[:, None]


def _softmax(logits: Float32) -> Float32:
    """Return torch's softmax, since DARTS and PC-DARTS derive by it: equal to the last bit,
    near-ties included."""
    result: Float32 = torch.from_numpy(logits).softmax(-1).numpy()
    return result


def select(table: CandidateTable, scores_EO: Float32) -> tuple[tuple[Pair, ...], ...]:
    """Return for each node its kept pairs: the best operation on each of the best edges.

    An edge is worth its best eligible operation. Ties go to the lower index, for edges and for
    operations. The edges of a node that keeps ``all`` come in the order of the graph, otherwise by
    descending score (as in DARTS, also where as many are kept as there are).
    """
    eligible = np.where(table.eligible_EO, scores_EO, -np.inf)
    best_O = eligible.argmax(axis=1)
    best_E = eligible.max(axis=1)
    chosen = []
    for position, node in enumerate(table.graph.nodes):
        edges = np.array(table.graph.edges_into[position])
        if node.keep != "all":
            edges = edges[np.argsort(-best_E[edges], kind="stable")[: node.kept]]
        chosen.append(tuple((int(edge), int(best_O[edge])) for edge in edges))
    return tuple(chosen)

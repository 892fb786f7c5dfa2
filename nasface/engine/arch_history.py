"""History of the architecture parameters of a search, and of what would have been derived."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasface.arch.genotype import Genotype
from nasface.arch.space import SearchSpace
from nasface.errors import RunError
from nasface.nas.candidates import CandidateTable, pair_scores, select
from nasface.nas.derive import genotype_of_paths
from nasface.runs.arch_history import HISTORY, history_arrays, load_history_arrays


@dataclass(frozen=True, repr=False)
class ArchHistory:
    """History of the architecture parameters of a search.

    ``scores`` maps each cell with choices of its own to the scores of its pairs after each epoch,
    float32 (T, E, O), nan where an operation is not offered; ``rules`` a cell whose nodes choose
    their combine rule, or whose width is searched, to these after each epoch.
    """

    space: SearchSpace
    epochs: list[int]
    scores: dict[str, NDArray[np.float32]]
    rules: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<ArchHistory of space {self.space.name}: {len(self.epochs)} epochs>"

    def genotypes(self) -> list[Genotype]:
        """Return the genotype that would be derived after each epoch: the searched cells alone."""
        tables = {cell: CandidateTable.of(self.space, cell) for cell in self.space.leaders}
        return [
            genotype_of_paths(
                self.space,
                {cell: select(table, self.scores[cell][at]) for cell, table in tables.items()},
                {cell: rules[at] for cell, rules in self.rules.items()},
                name=f"epoch {epoch}",
            )
            for at, epoch in enumerate(self.epochs)
        ]

    @property
    def late_epochs(self) -> int:
        """The epochs that :meth:`changed_late` looks at: the last quarter, at least one."""
        return max(1, len(self.epochs) // 4)

    def changed_late(self) -> set[tuple[str, str]]:
        """Return the nodes (cell, node) whose kept operations changed in the last epochs."""
        found = set()
        for cell, scores in self.scores.items():
            table = CandidateTable.of(self.space, cell)
            kept = [select(table, each) for each in scores[-self.late_epochs - 1 :]]
            for at, node in enumerate(table.graph.nodes):
                if any(before[at] != after[at] for before, after in pairwise(kept)):
                    found.add((cell, node.name))
        return found

    def probabilities(self) -> dict[str, list[list[float | None]]]:
        """Return what led to the last of :meth:`genotypes`: for each cell, each node and each of
        its edges the probability of the operation there, ``None`` where the space leaves no
        choice."""
        found = {}
        for cell in self.space.cells:
            leader = self.space.leader(cell)
            table, scores = CandidateTable.of(self.space, leader), self.scores[leader][-1]
            found[cell] = [
                [float(scores[pair]) if table.open_EO[pair] else None for pair in pairs]
                for pairs in select(table, scores)
            ]
        return found


def arch_history(space: SearchSpace, entries: list[dict[str, Any]]) -> ArchHistory:
    """Return the history in the entries of a checkpoint."""
    if not entries:
        return ArchHistory(
            space, [], {cell: np.empty((0, 0, 0), np.float32) for cell in space.leaders}
        )
    return _of_arrays(space, history_arrays(entries))


def read_history(folder: Path, space: SearchSpace) -> ArchHistory:
    """Return the history in the folder of a search of a space.

    Raises:
        RunError: if there is none, or none of that space.
    """
    held = load_history_arrays(folder)
    try:
        return _of_arrays(space, held)
    except Exception as problem:  # arrays of a damaged file may be of any shape and type
        raise RunError(
            f"{folder / HISTORY}: not a history of space {space.name}: {problem!a:.200}"
        ) from None


def _of_arrays(space: SearchSpace, arrays: Mapping[str, Any]) -> ArchHistory:
    scores, rules = {}, {}
    for cell in space.leaders:
        table = CandidateTable.of(space, cell)
        beta = arrays.get(f"beta.{cell}", [None] * len(arrays["epoch"]))
        each = [
            pair_scores(table, a, b) for a, b in zip(arrays[f"alpha.{cell}"], beta, strict=True)
        ]
        scores[cell] = np.where(table.offered_EO, np.stack(each), np.nan).astype(np.float32)
        if table.rules.open:
            rules[cell] = [table.rules.best(gamma) for gamma in arrays[f"gamma.{cell}"]]
    return ArchHistory(space, [int(epoch) for epoch in arrays["epoch"]], scores, rules)

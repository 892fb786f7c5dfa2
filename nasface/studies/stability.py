"""Stability of searches: differences of the cells that different seeds find."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from nasface.arch.genotype import Genotype
from nasface.arch.isomorphism import edit_distance, same_cells, shared_edges


@dataclass(frozen=True)
class Stability:
    """Means over all pairs of some genotypes of one space."""

    edit_distance: float
    """Edits that make all cells of one genotype those of the other."""
    shared_edges: float
    """Share of edges, of those in either genotype, that both have."""
    same_cells: float
    """Share of cells that are equal up to the names of their nodes."""


def stability(genotypes: Sequence[Genotype]) -> Stability | None:
    """Return how much genotypes of one space differ; ``None`` of fewer than two."""
    pairs = list(combinations(genotypes, 2))
    if not pairs:
        return None
    return Stability(
        fmean(_edits(*pair) for pair in pairs),
        fmean(shared_edges(*pair) for pair in pairs),
        fmean(same_cells(*pair) for pair in pairs),
    )


def _edits(first: Genotype, second: Genotype) -> int:
    cells = first.cells.items()
    return sum(edit_distance(cell, second.cells[name]).edits for name, cell in cells)

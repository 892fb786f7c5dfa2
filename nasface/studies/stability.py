"""Stability of searches: differences of the cells that different seeds find."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from nasface.arch.genotype import CellGene, Genotype
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
    names = first.cells.keys() | second.cells.keys()
    return sum(_edits_of_cell(first.cells.get(n), second.cells.get(n)) for n in sorted(names))


def _edits_of_cell(first: CellGene | None, second: CellGene | None) -> int:
    """Return the edits of a cell; all of it where one of the genotypes has left it out."""
    if first is not None and second is not None:
        return edit_distance(first, second).edits
    graphs = (each.to_networkx() for each in (first, second) if each is not None)
    return sum(graph.order() + graph.size() for graph in graphs)

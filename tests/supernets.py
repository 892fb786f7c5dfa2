"""Parts of supernets and paths through them."""

from typing import cast

from strategies import random_choices

from nasface.search.choice import ChoiceTable, pair_scores, select
from nasface.search.derive import Path
from nasface.search.policy import PathMixture, Slot, Trial
from nasface.search.supernet import SearchCell, SearchEdge, Supernet
from nasface.spec.space import SearchSpace


def cell_of(supernet: Supernet, name: str) -> SearchCell:
    return cast(SearchCell, supernet.cells[name])


def edge_of(supernet: Supernet, name: str, edge: int) -> SearchEdge:
    return cast(SearchEdge, cell_of(supernet, name).edges[edge])


def random_paths(space: SearchSpace, seed: int) -> dict[str, Path]:
    alphas, betas = random_choices(space, seed, ties=False)
    paths = {}
    for cell in space.cells:
        table = ChoiceTable.of(space, cell)
        beta = None if betas is None else betas[cell]
        paths[cell] = select(table, pair_scores(table, alphas[cell], beta))
    return paths


def plain(paths: dict[str, Path]) -> dict[str, PathMixture]:
    """The paths as mixtures without gates, as a weight step runs them."""
    return {
        cell: PathMixture(tuple(tuple(Slot(Trial(*pair)) for pair in pairs) for pairs in path))
        for cell, path in paths.items()
    }

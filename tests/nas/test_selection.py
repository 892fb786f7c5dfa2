"""Selections by scores, on scores whose best cell is known."""

import pytest

from nasface.arch.genotype import Genotype
from nasface.arch.io import check_membership, load_search_space
from nasface.errors import ConfigError
from nasface.nas.choices import choices_of, holds
from nasface.nas.sampling import random_genotype
from nasface.nas.selection import SELECTIONS, CellScorer

SPACE = load_search_space("autofem2-cpm", levels="3-5", nodes=3)
CELL = "cpm_c3"


def matches(genotype: Genotype) -> float:
    """How many edges are dense 3x3 convolutions and how many nodes products: at most 5 and 2."""
    nodes = genotype.cells[CELL].nodes
    dense = sum(edge.operation == "dense_3x3" for node in nodes for edge in node.edges)
    return dense + sum(node.combine == "product" for node in nodes)


@pytest.mark.parametrize("name", SELECTIONS)
def test_the_budget_is_kept_and_no_cell_scored_twice(name: str) -> None:
    asked: list[Genotype] = []

    def score(genotype: Genotype) -> float:
        asked.append(genotype)
        return matches(genotype)

    found = SELECTIONS[name](CellScorer(SPACE, score, 60, seed=1))
    check_membership(found)
    assert len(asked) == len({str(each.cells) for each in asked}) == 60
    assert matches(found) == max(map(matches, asked))


@pytest.mark.parametrize(("name", "least"), [("evolution", 6), ("swaps", 7)])
def test_it_climbs(name: str, least: float) -> None:
    """Swaps find the best cell, seven, of a score that is a sum over edges and nodes."""
    found, drawn = (
        matches(SELECTIONS[each](CellScorer(SPACE, matches, 150, seed=0)))
        for each in (name, "random-search")
    )
    assert found >= least > drawn + 1


@pytest.mark.parametrize("name", SELECTIONS)
def test_only_allowed_cells_are_scored(name: str) -> None:
    def few_dense(genotype: Genotype) -> bool:
        return (
            sum(e.operation == "dense_3x3" for n in genotype.cells[CELL].nodes for e in n.edges) < 2
        )

    def score(genotype: Genotype) -> float:
        assert few_dense(genotype)
        return matches(genotype)

    assert few_dense(SELECTIONS[name](CellScorer(SPACE, score, 40, few_dense)))


def test_a_limit_that_no_cell_keeps_is_said() -> None:
    def never(_genotype: Genotype) -> bool:
        return False

    with pytest.raises(ConfigError, match="keeps the limit"):
        SELECTIONS["random-search"](CellScorer(SPACE, matches, 3, never))


def test_choices_are_those_of_the_genotype() -> None:
    scorer = CellScorer(SPACE, matches, 1)
    for seed in range(5):
        genotype = random_genotype(SPACE, seed)
        assert scorer.genotype(choices_of(SPACE, genotype)).cells == genotype.cells


def test_a_space_holds_its_cells_whatever_the_channels_of_its_search() -> None:
    cell = random_genotype(SPACE, 0)
    assert holds(SPACE, cell)
    assert holds(load_search_space("autofem2-cpm", levels="3-5", nodes=3, partial=4), cell)
    sums = load_search_space("autofem2-cpm", levels="3-5", nodes=3, combine="sum")
    assert not holds(sums, cell)
    assert holds(SPACE, random_genotype(sums, 0))
    assert not holds(load_search_space("autofem2-cpm", levels="3-5", nodes=4), cell)
    assert not holds(load_search_space("autofem2", levels="3-5", nodes=3), cell)
    assert not holds(load_search_space("autofem2-cpm", levels="2-5", nodes=3), cell)

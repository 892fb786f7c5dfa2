from dataclasses import astuple, replace

import pytest

from nasface.arch.io import load_genotype, load_search_space
from nasface.nas.sampling import random_genotype
from nasface.studies.stability import Stability, stability


def test_one_cell_that_changes_by_hand() -> None:
    genotype = load_genotype("darts_v1")
    node = genotype.cells["normal"].nodes[0]
    edges = (replace(node.edges[0], operation="dil_5x5_r2"), node.edges[1])
    nodes = (replace(node, edges=edges), *genotype.cells["normal"].nodes[1:])
    normal = replace(genotype.cells["normal"], nodes=nodes)
    other = replace(genotype, cells={**genotype.cells, "normal": normal})
    # Of three pairs one has no difference; the others have one of 16 edges and one of two cells.
    found = stability([genotype, genotype, other])
    assert found is not None
    assert astuple(found) == pytest.approx((2 / 3, (1 + 2 * 15 / 17) / 3, 2 / 3))


def test_random_cells_of_many_candidates_share_little() -> None:
    space = load_search_space("darts")
    found = stability([random_genotype(space, seed) for seed in range(6)])
    assert found is not None
    assert found.same_cells == 0
    assert 0 < found.shared_edges < 0.3
    assert found.edit_distance > 5
    again = stability([random_genotype(space, seed) for seed in (3, 1, 5, 0, 2, 4)])
    assert again is not None
    assert astuple(again) == pytest.approx(astuple(found))


def test_one_genotype_says_nothing() -> None:
    genotype = load_genotype("darts_v1")
    assert stability([]) is None
    assert stability([genotype]) is None
    assert stability([genotype, genotype]) == Stability(0, 1, 1)


def test_a_cell_that_one_genotype_leaves_out_counts_as_a_whole() -> None:
    """Of two nodes with an edge each: an input, two nodes, an output; edges of nodes and leaves."""
    space = load_search_space("autofem2", levels="3-5", nodes=2, keep=1)
    genotype = random_genotype(space, 0)
    cells = {name: gene for name, gene in genotype.cells.items() if name != "cpm_c4"}
    found = stability([genotype, replace(genotype, cells=cells)])
    assert found is not None
    leaves = len(genotype.cells["cpm_c4"].outputs[0].sources)
    assert found.edit_distance == 4 + 2 + leaves
    assert found.same_cells == 3 / 4

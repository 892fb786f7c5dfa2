"""Random cells and the paths of given ones."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny_genotype

from nasface.arch.diff import diff
from nasface.arch.genotype import Genotype
from nasface.arch.io import check_membership, load_search_space, packaged_names
from nasface.errors import SpecError
from nasface.nas.derive import genotype_of_paths
from nasface.nas.mixture import PathMixture
from nasface.nas.rules import width_of
from nasface.nas.sampling import mixture_of, random_genotype
from nasface.nas.supernet import Supernet
from nasface.nn.cell import build_module

SPACE = load_search_space("autofem-cpm", {"nodes": 4})


@pytest.mark.parametrize("name", packaged_names("nasface.search_spaces"))
def test_random_cells_are_of_their_space_and_found_again(name: str) -> None:
    space = load_search_space(name)
    for seed in range(5):
        genotype = random_genotype(space, seed)
        check_membership(genotype)
        mixture = mixture_of(space, genotype)
        paths = {
            cell: tuple(tuple((s.chosen.edge, s.chosen.column) for s in node) for node in m.slots)
            for cell, m in mixture.items()
        }
        rules = {
            cell: tuple(
                m.rules[node.name][0].rule if node.name in m.rules else node.rules[0]
                for node in space.cells[cell].nodes
            )
            + tuple(m.rules[width_of(each)][0].rule for each in space.searched_widths(cell))
            for cell, m in mixture.items()
        }
        assert not diff(genotype_of_paths(space, paths, rules), genotype)


def test_pairs_are_drawn_evenly() -> None:
    """400 draws of a second node, 2 sources x 8 operations: within 5 standard deviations."""
    drawn = [random_genotype(SPACE, seed).cells["cpm_c2"].nodes[1].edges[0] for seed in range(400)]
    counts = Counter((edge.source, edge.operation) for edge in drawn)
    assert len(counts) == 16
    deviation = np.sqrt(400 / 16 * 15 / 16)
    assert max(abs(count - 400 / 16) for count in counts.values()) < 5 * deviation


def test_a_seed_gives_one_cell() -> None:
    assert random_genotype(SPACE, 3) == random_genotype(SPACE, 3)
    assert diff(random_genotype(SPACE, 3), random_genotype(SPACE, 4))


def test_the_mixture_computes_what_the_genotype_does() -> None:
    """Without partial channels, a supernet on the path equals the built module with its weights."""
    space = load_search_space("autofem-cpm", {"nodes": 4, "partial": 1})
    genotype = random_genotype(space, 1)
    torch.manual_seed(0)
    supernet, fixed = Supernet(space, 8, affine=True), build_module(genotype, 8, range(2, 8))
    mixture = mixture_of(space, genotype)
    for name in supernet.cells:
        copy_path(supernet.cells[name], fixed.cells[name], mixture[name])
    features = {level: torch.randn(2, 8, 256 >> level, 256 >> level) for level in range(2, 8)}
    found, expected = supernet.eval()(features, mixture), fixed.eval()(features)
    for level in features:
        torch.testing.assert_close(found[level], expected[level])


def copy_path(cell: Any, fixed: Any, mixture: PathMixture) -> None:
    """Give a fixed cell the weights of the path that a search cell executes."""
    pairs = [(slot.chosen.edge, slot.chosen.column) for node in mixture.slots for slot in node]
    for (edge, column), target in zip(pairs, fixed.edges, strict=True):
        source = cell.edges[edge]
        target.load_state_dict(source.operations[source.column_names[column]].state_dict())
    (output,) = fixed.gene.outputs
    projection, norm, _ = fixed.projections[str(output.level)]
    weights = [cell.projections[name].weight for name in output.sources]
    projection.load_state_dict({"weight": torch.cat(weights, dim=1).detach()})
    norm.load_state_dict(cell.finish[str(output.level)][0].state_dict())


def test_foreign_cells_are_refused() -> None:
    with pytest.raises(SpecError, match="cell 'cpm_c2' of autofem-cpm is missing"):
        mixture_of(SPACE, tiny_genotype("autofem-fpn"))
    wider: Genotype = random_genotype(load_search_space("autofem-cpm", {"nodes": 6}), 0)
    with pytest.raises(SpecError, match=r"cells.cpm_c2.nodes.n7.edges: expected 1"):
        mixture_of(load_search_space("autofem-cpm", {"nodes": 8}), wider)


def test_an_edge_with_another_transform_is_no_candidate() -> None:
    space = load_search_space("darts")
    genotype = random_genotype(space, 0)
    cell = genotype.cells["reduce"]
    first = cell.nodes[0]
    edges = tuple(replace(edge, transform="down2") for edge in first.edges)
    assert first.edges != edges
    changed = replace(cell, nodes=(replace(first, edges=edges), *cell.nodes[1:]))
    with pytest.raises(SpecError, match=r"cells.reduce.nodes.n1: .* is no candidate"):
        mixture_of(space, replace(genotype, cells={**genotype.cells, "reduce": changed}))

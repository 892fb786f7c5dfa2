"""Differences of genotypes and their membership in a space."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_choices

import nasface
from nasface.arch.diff import Difference, diff
from nasface.arch.genotype import CellGene, EdgeGene, Genotype, NodeGene, SpaceReference
from nasface.arch.io import check_membership, load_genotype, load_search_space
from nasface.errors import SpecError
from nasface.nas.derive import derive
from nasface.nas.sampling import random_genotype as sampled


def random_genotype(seed: int, space: str = "darts") -> Genotype:
    found = load_search_space(space)
    alphas, betas = random_choices(found, seed, ties=False)
    return derive(found, alphas, betas)


def change_node(genotype: Genotype, cell: str, at: int, node: NodeGene) -> Genotype:
    gene: CellGene = genotype.cells[cell]
    nodes = (*gene.nodes[:at], node, *gene.nodes[at + 1 :])
    return replace(genotype, cells={**genotype.cells, cell: replace(gene, nodes=nodes)})


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_it_is_a_distance(first: int, second: int) -> None:
    a, b = random_genotype(first), random_genotype(second)
    assert not diff(a, a)
    mirrored = diff(b, a).differences
    assert len(diff(a, b).differences) == len(mirrored)
    assert (not diff(a, b)) == (a.cells == b.cells)
    edges = sum(
        len({(e.source, e.operation) for e in x.edges} ^ {(e.source, e.operation) for e in y.edges})
        for cell in a.cells
        for x, y in zip(a.cells[cell].nodes, b.cells[cell].nodes, strict=True)
    )
    assert len(mirrored) == edges


def _with_other_n2(genotype: Genotype) -> Genotype:
    node = genotype.cells["reduce"].nodes[1]
    edges = (EdgeGene("n1", "sep_5x5_twice"), node.edges[1])
    return change_node(genotype, "reduce", 1, replace(node, edges=edges))


def test_one_edge_by_hand() -> None:
    genotype = load_genotype("darts_v1")
    found = diff(genotype, _with_other_n2(genotype))
    assert found.differences == (
        Difference("first", "reduce.n2", "skip(n1)"),
        Difference("second", "reduce.n2", "sep_5x5_twice(n1)"),
    )
    assert str(found) == (
        "- reduce.n2: skip(n1)\n+ reduce.n2: sep_5x5_twice(n1)\nreduce: 1 edit apart"
    )


def test_names_and_order_do_not_count() -> None:
    genotype = load_genotype("darts_v1")
    node = genotype.cells["normal"].nodes[0]
    turned = change_node(genotype, "normal", 0, replace(node, edges=node.edges[::-1]))
    assert turned.cells != genotype.cells
    assert not diff(genotype, replace(turned, name="other"))


def test_a_cell_that_is_missing() -> None:
    genotype = load_genotype("darts_v1")
    alone = replace(genotype, cells={"normal": genotype.cells["normal"]})
    found = diff(genotype, alone).differences
    assert {each.side for each in found} == {"first"}
    assert {each.place.split(".")[0] for each in found} == {"reduce"}


def test_a_diff_of_names_is_that_of_their_genotypes() -> None:
    found = diff("darts_v1", "darts_v2")
    first, second = load_genotype("darts_v1"), load_genotype("darts_v2")
    assert found == diff(first, second)
    assert found
    assert repr(found) == f"<GenotypeDiff of darts_v1 and darts_v2: {len(found.differences)} " + (
        "differences>"
    )
    lines = str(found).splitlines()
    assert len(lines) == len(found.differences) + len(found.cells)
    assert "- reduce.n2: skip(n1)" in str(diff(first, _with_other_n2(first))).splitlines()
    assert str(diff(first, first)) == "the cells are the same"
    with pytest.raises(SpecError, match="darts_v1"):
        diff("darts_v1", "darts_v9")


def test_a_notebook_shows_what_draw_draws(tmp_path: Path) -> None:
    found = diff("darts_v1", "darts_v2")
    both = nasface.draw("darts_v1", against="darts_v2")
    assert found._repr_svg_() == both.svg
    assert found.draw(tmp_path / "d.dot") == both
    assert (tmp_path / "d.dot").read_text() == both.dot


@pytest.mark.parametrize("space", ["darts", "pc-darts", "autofem", "autofem-fpn", "autofem-cpm"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_derived_belongs_to_its_space(space: str, seed: int) -> None:
    assert space in check_membership(random_genotype(seed, space))


def test_what_does_not_belong() -> None:
    genotype = load_genotype("darts_v1")
    node = genotype.cells["normal"].nodes[0]
    skip = EdgeGene("c0", "skip")

    def fails(changed: Genotype, message: str) -> None:
        with pytest.raises(SpecError, match=message):
            check_membership(changed)

    foreign = EdgeGene("c0", "sep_7x7_twice")
    edges = (foreign, node.edges[0])
    fails(
        change_node(genotype, "normal", 0, replace(node, edges=edges)),
        r"cells.normal: nodes.n1: sep_7x7_twice from c0 is no candidate",
    )
    fails(
        change_node(genotype, "normal", 0, replace(node, edges=(skip, skip))),
        r"skip from c0 is no candidate of the space, or is there twice",
    )
    fails(
        change_node(genotype, "normal", 0, replace(node, edges=(skip,))),
        r"nodes.n1.edges: expected 2",
    )
    fails(
        change_node(genotype, "normal", 0, replace(node, combine="product")),
        r"nodes.n1: expected sum at level 0",
    )
    fails(replace(genotype, cells={"normal": genotype.cells["normal"]}), "'reduce' .* missing")
    reference = SpaceReference("darts", "0" * 12, genotype.space.parameters)
    fails(replace(genotype, space=reference), "digest .* expected the genotype's 000000000000")
    gene = genotype.cells["normal"]
    output = replace(gene.outputs[0], sources=("n1",))
    part = replace(gene, outputs=(output,))
    fails(
        replace(genotype, cells={**genotype.cells, "normal": part}),
        "cells.normal: outputs: expected cat-all",
    )
    projected = replace(gene, projection="conv")
    fails(replace(genotype, cells={**genotype.cells, "normal": projected}), "projection, residual")


def test_a_width_and_a_cell_left_out_by_hand() -> None:
    space = load_search_space("autofem2", levels="3-5", width="any")
    derived = (sampled(space, seed) for seed in range(20))
    genotype = next(each for each in derived if {"cpm_c3", "cpm_c4"} <= each.cells.keys())
    wide = replace(genotype.cells["cpm_c3"], width=1.0)
    first = replace(genotype, cells={**genotype.cells, "cpm_c3": wide})
    narrow = replace(wide, width=0.25)
    second = replace(genotype, cells={**genotype.cells, "cpm_c3": narrow})
    assert diff(first, second).differences == (
        Difference("second", "cpm_c3.outputs", "width 0.25"),
    )
    check_membership(second)
    other = replace(genotype, cells={**genotype.cells, "cpm_c3": replace(wide, width=0.3)})
    with pytest.raises(SpecError, match=r"cells.cpm_c3: width: 0.3 is no candidate; expected 1"):
        check_membership(other)
    cells = {name: gene for name, gene in first.cells.items() if name != "cpm_c4"}
    less = diff(first, replace(first, cells=cells)).differences
    assert {each.side for each in less} == {"first"}
    check_membership(replace(first, cells=cells))
    cells.pop("fpn")
    with pytest.raises(SpecError, match="cell 'fpn' of autofem2 is missing"):
        check_membership(replace(first, cells=cells))

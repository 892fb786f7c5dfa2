"""Derivation against a brute-force oracle in plain loops."""

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import one_cell, random_choices, spaces

from nasface.arch.genotype import CellGene, EdgeGene, Provenance
from nasface.arch.graph import CellGraph
from nasface.arch.io import load_search_space
from nasface.arch.space import SearchSpace
from nasface.arrays import Float32
from nasface.errors import SpecError
from nasface.nas.derive import NodePaths, derive, genotype_of_paths


def softmax(values: Sequence[np.float32]) -> list[np.float32]:
    """In float32, as torch rounds it."""
    return list(torch.tensor(np.array(values)).softmax(0).numpy())


def oracle_nodes(
    space: SearchSpace, graph: CellGraph, alpha: Float32, beta: Float32 | None
) -> list[list[EdgeGene]]:
    """Per node the edges that derivation must keep, in their order."""
    nodes, first = [], 0
    for node in graph.nodes:
        count = len(node.edges)
        share = None if beta is None else softmax([beta[first + at] for at in range(count)])
        worth: list[tuple[np.float32, EdgeGene]] = []
        for at, edge in enumerate(node.edges):
            offered = [name for name in space.operations if name in edge.operations]
            row = [alpha[first + at, space.operations.index(name)] for name in offered]
            best: tuple[np.float32, str] | None = None
            for name, probability in zip(offered, softmax(row), strict=True):
                score = probability if share is None else probability * share[at]
                if name != "none" and (best is None or score > best[0]):
                    best = score, name
            assert best is not None
            worth.append((best[0], EdgeGene(edge.source, best[1], edge.transform)))
        first += count
        if node.keep == "all":
            nodes.append([gene for _, gene in worth])
            continue
        left, kept = list(range(count)), []
        for _ in range(node.keep):
            winner = left[0]
            for at in left:
                if worth[at][0] > worth[winner][0]:
                    winner = at
            left.remove(winner)
            kept.append(worth[winner][1])
        nodes.append(kept)
    return nodes


def check_outputs(graph: CellGraph, gene: CellGene) -> None:
    derived: Any = nx.MultiDiGraph()
    derived.add_nodes_from(node.name for node in gene.nodes)
    derived.add_edges_from((e.source, node.name) for node in gene.nodes for e in node.edges)
    for output in gene.outputs:
        here = [node.name for node in gene.nodes if node.level == output.level]
        if graph.output.rule == "cat-leaf":
            here = [name for name in here if derived.out_degree(name) == 0]
        assert list(output.sources) == here
    assert [output.level for output in gene.outputs] == sorted({n.level for n in gene.nodes})


def check(space: SearchSpace, alphas: dict[str, Float32], betas: dict[str, Float32] | None) -> None:
    genotype = derive(space, alphas, betas)
    assert (genotype.space.name, genotype.space.digest) == (space.name, space.digest)
    assert list(genotype.cells) == list(space.cells)
    for cell, graph in space.cells.items():
        gene = genotype.cells[cell]
        expected = oracle_nodes(space, graph, alphas[cell], None if betas is None else betas[cell])
        assert [list(node.edges) for node in gene.nodes] == expected
        for node, source in zip(gene.nodes, graph.nodes, strict=True):
            assert (node.name, node.level, node.combine) == (
                source.name,
                source.level,
                source.combine,
            )
        check_outputs(graph, gene)


@settings(max_examples=150, deadline=None)
@given(spaces(), st.integers(0, 10_000), st.booleans())
def test_random_spaces(space: SearchSpace, seed: int, ties: bool) -> None:
    check(space, *random_choices(space, seed, ties=ties))


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("name", ["autofem", "autofem-cpm", "autofem-fpn", "darts", "pc-darts"])
def test_packaged_spaces(name: str, normalised: bool) -> None:
    space = load_search_space(name)
    for seed in range(3):
        alphas, betas = random_choices(space, seed, ties=False)
        check(space, alphas, betas if normalised else None)


def test_all_equal_takes_the_first_operation_on_the_first_edge() -> None:
    space = load_search_space("autofem-cpm", {"nodes": 4})
    zeros = {c: np.zeros((10, 8), np.float32) for c in space.cells}
    genotype = derive(space, zeros, {c: np.zeros(10, np.float32) for c in space.cells})
    for gene in genotype.cells.values():
        assert [node.edges for node in gene.nodes] == [(EdgeGene("x", "skip"),)] * 4
        assert gene.outputs[0].sources == ("n1", "n2", "n3", "n4")


@example(shift=200.0)
@given(st.floats(-50, 50))
def test_none_takes_its_share_but_is_never_derived(shift: float) -> None:
    """With ``none`` strong on y, the edge from x wins although y's best operation leads there."""
    edges = [
        {"source": "x", "operations": ["none", "skip", "conv_1x1"]},
        {"source": "y", "operations": ["none", "skip", "conv_1x1"]},
    ]
    space = one_cell([{"name": "a", "level": 2, "keep": 1, "edges": edges}], inputs=("x", "y"))
    alpha = np.full((2, 4), 99, np.float32)
    alpha[:, :3] = np.array([[0, 0, 1], [5, 2, 0]]) + shift
    gene = derive(space, {"c": alpha}).cells["c"]
    assert gene.nodes[0].edges == (EdgeGene("x", "conv_1x1"),)
    alpha[1, 0] = shift
    gene = derive(space, {"c": alpha}).cells["c"]
    assert gene.nodes[0].edges == (EdgeGene("y", "skip"),)


def test_what_a_genotype_carries_besides_cells() -> None:
    space = load_search_space("autofem-cpm", {"nodes": 4})
    provenance = Provenance(seed=3, step=7, policy="argmax")
    alphas, betas = random_choices(space, 0, ties=False)
    genotype = derive(space, alphas, betas, name="found", provenance=provenance)
    assert (genotype.name, genotype.provenance) == ("found", provenance)
    assert (genotype.space.name, genotype.space.parameters) == ("autofem-cpm", space.parameters)
    assert genotype.space.parameters["nodes"] == 4


def test_the_name_of_a_genotype_without_one_and_paths_of_too_few_nodes() -> None:
    space = load_search_space("autofem-cpm", {"nodes": 4})
    alphas, betas = random_choices(space, 0, ties=False)
    assert derive(space, alphas, betas).name == "derived"
    paths: dict[str, NodePaths] = {cell: (((0, 1),),) * 4 for cell in space.cells}
    assert genotype_of_paths(space, paths).name == "derived"
    with pytest.raises(ValueError, match="shorter"):
        genotype_of_paths(space, paths | {"cpm_c2": (((0, 1),),) * 3})


def test_arrays_that_do_not_fit_are_named() -> None:
    space = load_search_space("autofem-cpm", {"nodes": 4})
    alphas, betas = random_choices(space, 0, ties=False)
    assert betas is not None
    some = {cell: alpha for cell, alpha in alphas.items() if cell != "cpm_c7"}
    with pytest.raises(SpecError, match="alphas: cell 'cpm_c7' is missing; given are cpm_c2, "):
        derive(space, some, betas)
    with pytest.raises(SpecError, match=r"alphas.cpm_c3: shape is \(9, 8\), expected \(10, 8\)"):
        derive(space, alphas | {"cpm_c3": alphas["cpm_c3"][1:]}, betas)
    with pytest.raises(SpecError, match=r"betas.cpm_c2: shape is \(10, 1\), expected \(10,\)"):
        derive(space, alphas, betas | {"cpm_c2": betas["cpm_c2"][:, None]})
    with pytest.raises(SpecError, match="betas: cell 'cpm_c2' is missing; given are none"):
        derive(space, alphas, {})
    for bad in (np.nan, np.inf):
        broken = alphas["cpm_c2"].copy()
        broken[0, 0] = bad
        with pytest.raises(SpecError, match=r"alphas.cpm_c2: .*not finite"):
            derive(space, alphas | {"cpm_c2": broken}, betas)


def test_the_genotype_of_a_given_path() -> None:
    edges = [{"source": name, "operations": ["skip", "conv_1x1"]} for name in ("x", "y")]
    space = one_cell(
        [
            {"name": "a", "level": 2, "edges": edges},
            {"name": "b", "level": 2, "keep": 1, "edges": [*edges, {"source": "a"}]},
        ],
        inputs=("x", "y"),
        output={"rule": "cat-leaf", "projection": "conv"},
    )
    gene = genotype_of_paths(space, {"c": (((1, 2), (0, 1)), ((4, 3),))}).cells["c"]
    assert gene.nodes[0].edges == (EdgeGene("y", "conv_1x1"), EdgeGene("x", "skip"))
    assert gene.nodes[1].edges == (EdgeGene("a", "sep_3x3"),)
    assert gene.outputs[0].sources == ("b",)
    gene = genotype_of_paths(space, {"c": (((0, 1), (1, 1)), ((2, 1),))}).cells["c"]
    assert gene.outputs[0].sources == ("a", "b")


DARTS_OPERATIONS = ("none", "max", "avg", "skip", "sep3", "sep5", "dil3", "dil5")


def original_darts(alphas: Float32, betas: Float32 | None, steps: int) -> list[tuple[str, int]]:
    """Derivation as DARTS and PC-DARTS describe it for one cell, in plain loops."""
    weights = torch.tensor(alphas).softmax(1)
    found, start = [], 0
    for step in range(steps):
        rows = weights[start : start + step + 2]
        if betas is not None:
            rows = rows * torch.tensor(betas[start : start + step + 2]).softmax(0)[:, None]
        strongest = (-rows[:, 1:].amax(1)).tolist()
        ranked = sorted(range(step + 2), key=strongest.__getitem__)
        for source in ranked[:2]:
            best = 1
            for at in range(2, 8):
                if rows[source][at] > rows[source][best]:
                    best = at
            found.append((DARTS_OPERATIONS[best], source))
        start += step + 2
    return found


@pytest.mark.parametrize("steps", [4, 6, 8])
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("ties", [True, False])
def test_darts_and_pc_darts_as_the_originals(steps: int, normalised: bool, ties: bool) -> None:
    """Order of the two edges included; ``none`` takes a share of the softmax and is never kept."""
    space = load_search_space("pc-darts" if normalised else "darts", {"nodes": steps})
    short = dict(zip(space.operations, DARTS_OPERATIONS, strict=True))
    for seed in range(25):
        alphas, betas = random_choices(space, seed, ties=ties)
        genotype = derive(space, alphas, betas)
        for cell, gene in genotype.cells.items():
            places = {"c0": 0, "c1": 1} | {f"n{at + 1}": at + 2 for at in range(steps)}
            found = [(short[e.operation], places[e.source]) for n in gene.nodes for e in n.edges]
            beta = None if betas is None else betas[cell]
            assert found == original_darts(alphas[cell], beta, steps)
            assert gene.outputs[0].sources == tuple(f"n{at + 1}" for at in range(steps))

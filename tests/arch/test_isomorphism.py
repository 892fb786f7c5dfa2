"""Isomorphism and edit distance against trying every renaming."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import one_cell

from nasface.arch.genotype import CellGene, EdgeGene, Genotype, NodeGene
from nasface.arch.graph import Input
from nasface.arch.io import load_genotype, load_search_space
from nasface.arch.isomorphism import (
    changed_cells,
    edit_distance,
    renaming,
    same_cells,
    shared_edges,
)
from nasface.nas.sampling import random_genotype

# Few operations, so that cells of two seeds are often the same up to names.
SMALL = one_cell(
    [
        {"name": f"n{at}", "level": 2, "keep": 1,
         "edges": [{"source": s} for s in ("x", *(f"n{k}" for k in range(at)))]}
        for at in range(4)
    ],
    operations=["skip", "conv_1x1"],
)  # fmt: skip


def small_cell(seed: int, nodes: int = 4) -> CellGene:
    cell = random_genotype(SMALL, seed).cells["c"]
    kept = cell.nodes[:nodes]
    outputs = tuple(replace(o, sources=tuple(n.name for n in kept)) for o in cell.outputs)
    return replace(cell, nodes=kept, outputs=outputs)


def renamed(cell: CellGene, names: Mapping[str, str]) -> CellGene:
    def of(name: str) -> str:
        return names.get(name, name)

    return replace(
        cell,
        nodes=tuple(
            replace(
                node,
                name=of(node.name),
                edges=tuple(replace(edge, source=of(edge.source)) for edge in node.edges),
            )
            for node in cell.nodes
        ),
        outputs=tuple(replace(o, sources=tuple(of(s) for s in o.sources)) for o in cell.outputs),
    )


def facts(cell: CellGene) -> tuple[Any, ...]:
    """All of a cell but the order of its nodes, edges and leaves."""
    return (
        set(cell.inputs),
        {(node.name, node.level, node.combine) for node in cell.nodes},
        Counter((node.name, edge) for node in cell.nodes for edge in node.edges),
        {(output.level, frozenset(output.sources)) for output in cell.outputs},
        cell.projection,
        cell.residual,
    )


def brute_force(first: CellGene, second: CellGene) -> bool:
    names = [node.name for node in first.nodes]
    theirs = [node.name for node in second.nodes]
    return len(names) == len(theirs) and any(
        facts(renamed(first, dict(zip(names, order, strict=True)))) == facts(second)
        for order in permutations(theirs)
    )


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_isomorphism_is_what_some_renaming_shows(first: int, second: int) -> None:
    a, b = small_cell(first), small_cell(second)
    found = renaming(a, b)
    assert (found is not None) == brute_force(a, b)
    if found is not None:
        assert facts(renamed(a, found)) == facts(b)


def test_both_answers_come_up() -> None:
    answers = {brute_force(small_cell(0), small_cell(seed)) for seed in range(40)}
    assert answers == {True, False}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.permutations(["n1", "n2", "n3", "n4"]))
def test_a_renamed_cell_of_darts_is_isomorphic(seed: int, order: list[str]) -> None:
    cell = random_genotype(load_search_space("darts"), seed).cells["normal"]
    other = renamed(cell, dict(zip(["n1", "n2", "n3", "n4"], order, strict=True)))
    found = renaming(cell, other)
    assert found is not None
    assert facts(renamed(cell, found)) == facts(other)


def test_inputs_count_by_name_and_parallel_edges_by_number() -> None:
    x, y, z = Input("x", 2), Input("y", 2), Input("z", 2)
    base = small_cell(0, nodes=1)

    def cell(inputs: tuple[Input, ...], *edges: EdgeGene) -> CellGene:
        return replace(base, inputs=inputs, nodes=(NodeGene("n0", 2, "sum", edges),))

    skip, conv, other = EdgeGene("x", "skip"), EdgeGene("x", "conv_1x1"), EdgeGene("y", "skip")
    assert renaming(cell((x, y), skip), cell((x, y), other)) is None
    assert renaming(cell((x, y), skip), cell((x, z), skip)) is None
    assert renaming(cell((x,), skip, skip, conv), cell((x,), skip, conv, conv)) is None
    assert renaming(cell((x,), skip, skip, conv), cell((x,), conv, skip, skip)) == {"n0": "n0"}


def mappings(ours: list[str], theirs: list[str]) -> Iterator[dict[str, str | None]]:
    """Every way to let vertices stand for one another, or for nothing."""
    if not ours:
        yield {}
        return
    for choice in (None, *theirs):
        for rest in mappings(ours[1:], [each for each in theirs if each != choice]):
            yield {ours[0]: choice, **rest}


def least_edits(first: CellGene, second: CellGene) -> int:
    a, b = first.to_networkx(), second.to_networkx()
    for graph in (a, b):
        for vertex, kind in graph.nodes(data="kind"):
            if kind == "input":
                graph.nodes[vertex]["name"] = vertex

    def labels(graph: Any, source: str | None, target: str | None) -> Counter[tuple[str, str]]:
        found = graph.get_edge_data(source, target, default={}).values()
        return Counter((edge["operation"], edge["transform"]) for edge in found)

    def cost(mapping: dict[str, str | None]) -> int:
        back = {v: u for u, v in mapping.items() if v is not None}
        vertices: int = sum(v is None or a.nodes[u] != b.nodes[v] for u, v in mapping.items())
        vertices += len(b) - len(back)
        edges = 0
        for u in a:
            for v in a:
                ours, theirs = labels(a, u, v), labels(b, mapping[u], mapping[v])
                edges += max((ours - theirs).total(), (theirs - ours).total())
        for u in b:
            for v in b:
                if u not in back or v not in back:
                    edges += labels(b, u, v).total()
        return vertices + edges

    return min(map(cost, mappings(list(a), list(b))))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_edit_distance_of_cells_with_other_nodes_is_the_least_there_is(a: int, b: int) -> None:
    first, second = small_cell(a, nodes=2), small_cell(b, nodes=3)
    found = edit_distance(first, second, seconds=60)
    assert found.is_exact
    assert found.edits == least_edits(first, second) == edit_distance(second, first).edits


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_edit_distance_by_names_counts_changed_edges(first: int, second: int) -> None:
    a, b = (random_genotype(load_search_space("darts"), seed) for seed in (first, second))
    for cell in ("normal", "reduce"):
        edits = 0
        for one, other in zip(a.cells[cell].nodes, b.cells[cell].nodes, strict=True):
            ours, theirs = ({e.source: e.operation for e in node.edges} for node in (one, other))
            kept = ours.keys() & theirs.keys()
            edits += len(ours.keys() ^ theirs.keys()) + sum(ours[k] != theirs[k] for k in kept)
        assert edit_distance(a.cells[cell], b.cells[cell]).edits == edits


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_edit_distance_by_names_counts_changed_rules(first: int, second: int) -> None:
    space = load_search_space("autofem2-fpn")
    a, b = (random_genotype(space, seed) for seed in (first, second))
    for name, cell in a.cells.items():
        edits = 0
        for one, other in zip(cell.nodes, b.cells[name].nodes, strict=True):
            edits += one.combine != other.combine
            for source in {e.source for e in (*one.edges, *other.edges)}:
                ours, theirs = (
                    [(e.operation, e.transform) for e in node.edges if e.source == source]
                    for node in (one, other)
                )
                same = sum(min(ours.count(each), theirs.count(each)) for each in set(ours))
                edits += max(len(ours), len(theirs)) - same
        ours, theirs = cell.to_networkx(), b.cells[name].to_networkx()
        outputs = [at for at, kind in ours.nodes(data="kind") if kind == "output"]
        for at in outputs:
            edits += len(set(ours.predecessors(at)) ^ set(theirs.predecessors(at)))
        found = edit_distance(cell, b.cells[name])
        assert found.is_exact
        assert found.edits == edits


def test_a_search_that_is_stopped_says_so() -> None:
    first = load_genotype("autofem-quickstart").cells["fpn"]
    last = replace(first.nodes[-1], combine="product")
    second = replace(first, nodes=(*first.nodes[:-1], last))
    other = renamed(second, {node.name: f"v{at}" for at, node in enumerate(second.nodes)})
    found = edit_distance(first, other, seconds=0.01)
    assert not found.is_exact
    assert found.edits >= 1


def swapped(genotype: Genotype, cell: str) -> Genotype:
    """Another name for two nodes of a cell."""
    names = {"n3": "n4", "n4": "n3"}
    return replace(genotype, cells={**genotype.cells, cell: renamed(genotype.cells[cell], names)})


def test_changed_cells_by_hand() -> None:
    genotype = load_genotype("darts_v2")
    assert changed_cells(genotype, genotype) == []
    (changed,) = changed_cells(genotype, swapped(genotype, "normal"))
    assert changed.name == "normal"
    assert changed.renaming == {"n1": "n1", "n2": "n2", "n3": "n4", "n4": "n3"}
    # n3 = sep(c1) + skip(c0) and n4 = skip(c0) + dil(n1): each loses one edge and gains one.
    assert changed.distance.edits == 4


def test_shares_by_hand() -> None:
    genotype = load_genotype("darts_v2")
    other = swapped(genotype, "normal")
    # Two of the 16 edges of either are not in the other.
    assert shared_edges(genotype, other) == pytest.approx(14 / 18)
    assert shared_edges(genotype, genotype) == same_cells(genotype, other) == 1
    normal = replace(genotype, cells={"normal": genotype.cells["normal"]})
    assert shared_edges(genotype, normal) == same_cells(genotype, normal) == 0.5
    assert same_cells(load_genotype("darts_v1"), genotype) == 0

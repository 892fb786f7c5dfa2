"""What is drawn of a cell, and in which colours."""

import re

from tiny import tiny_genotype

from nasface.arch.io import load_genotype
from nasface.arch.operations import OPERATIONS
from nasface.drawing.graph import (
    FIXED,
    Arrow,
    cell_graph,
    colours_of,
    compare_cells,
    operation_colours,
)
from nasface.drawing.legend import legend


def test_a_cell_is_drawn_with_all_its_edges_and_leaves() -> None:
    for gene in tiny_genotype().cells.values():
        vertices, arrows = cell_graph(gene)
        names = [each.name for each in gene.inputs] + [node.name for node in gene.nodes]
        assert [v.name for v in vertices] == [*names, *(f"output {o.level}" for o in gene.outputs)]
        expected = [(e.source, n.name, e.operation) for n in gene.nodes for e in n.edges]
        expected += [(s, f"output {o.level}", "") for o in gene.outputs for s in o.sources]
        assert sorted((a.source, a.target, a.operation) for a in arrows) == sorted(expected)


def test_leaves_and_products_are_told_apart() -> None:
    roles = {vertex.name: vertex.role for vertex in cell_graph(tiny_genotype().cells["fpn"])[0]}
    assert roles["f2"] == "input"
    assert roles["up3"] == "symbol"
    assert roles["td3"] == "node"
    assert roles["out3"] == "leaf"
    assert roles["output 3"] == "output"


def test_labels() -> None:
    assert Arrow("a", "b", "skip", "").label == ""
    assert Arrow("a", "b", "skip", "↑2").label == "↑2"
    assert Arrow("a", "b", "skip", "s2", is_named=True).label == "skip s2"
    assert Arrow("a", "b", "skip", "", side="first").label == "skip"
    assert Arrow("a", "b", "skip", "", side="both").label == ""
    assert Arrow("a", "b", "conv_1x1", "s2", probability=0.256).label == "conv_1x1 s2 0.26"


def test_legend_names_what_is_drawn_and_nothing_else() -> None:
    genotype = load_genotype("darts_v2")
    drawn = [cell_graph(gene) for gene in genotype.cells.values()]
    entries = legend([v for each in drawn for v in each[0]], [a for each in drawn for a in each[1]])
    texts = " ".join(entry.text for entry in entries)
    used = {e.operation for cell in genotype.cells.values() for n in cell.nodes for e in n.edges}
    for name in set(OPERATIONS) - {"none", "skip"}:
        assert (f"{name}:" in texts) == (name in used), name
    assert "product" not in texts


def test_each_operation_has_its_own_colour() -> None:
    colours = operation_colours()
    assert len(set(colours.values())) == len(colours) == len(OPERATIONS) - 2


def test_an_operation_that_is_added_has_a_colour_of_its_own_and_changes_no_other() -> None:
    there = operation_colours()
    more = colours_of((*there, *(f"new_{number}" for number in range(12))))
    assert more.items() >= there.items()
    assert more.items() >= colours_of((*there, "new_0", "new_1")).items()
    assert all(re.fullmatch("#[0-9a-f]{6}", each) for each in more.values())
    assert len(set(more.values()) | {FIXED}) == len(more) + 1


def test_a_comparison_has_each_edge_on_its_side() -> None:
    first, second = load_genotype("darts_v1").cells, load_genotype("darts_v2").cells
    for cell in first:
        arrows = compare_cells(first[cell], second[cell])[1]
        for gene, other in ((first[cell], "second"), (second[cell], "first")):
            expected = [(e.source, n.name, e.operation) for n in gene.nodes for e in n.edges]
            drawn = [(a.source, a.target, a.operation) for a in arrows if a.side != other]
            assert sorted(each for each in drawn if each[2]) == sorted(expected)


def test_a_genotype_shares_all_with_itself_and_nothing_with_a_missing_cell() -> None:
    gene = tiny_genotype().cells["fpn"]
    assert {arrow.side for arrow in compare_cells(gene, gene)[1]} == {"both"}
    assert {arrow.side for arrow in compare_cells(gene, None)[1]} == {"first"}
    assert {arrow.side for arrow in compare_cells(None, gene)[1]} == {"second"}

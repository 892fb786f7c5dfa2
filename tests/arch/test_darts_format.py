"""Genotypes in DARTS' form: the cells that are read, written back the same."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_choices

from nasface.arch.darts_format import DARTS_OPERATIONS, write_darts_text
from nasface.arch.genotype import Genotype
from nasface.arch.genotype_text import read_genotype_text
from nasface.arch.io import check_membership, load_genotype, load_search_space
from nasface.errors import SpecError
from nasface.nas.derive import derive

PUBLISHED = {
    "darts_v1": (
        "sep3 1, sep3 0; skip 0, sep3 1; skip 0, sep3 1; sep3 0, skip 2",
        "max3 0, max3 1; skip 2, max3 0; max3 0, skip 2; skip 2, avg3 0",
    ),
    "darts_v2": (
        "sep3 0, sep3 1; sep3 0, sep3 1; sep3 1, skip 0; skip 0, dil3 2",
        "max3 0, max3 1; skip 2, max3 1; max3 0, skip 2; skip 2, max3 1",
    ),
    "pc_darts_cifar": (
        "sep3 1, skip 0; sep3 0, dil3 1; sep5 0, sep3 1; avg3 0, dil3 1",
        "sep5 1, max3 0; sep5 1, sep5 2; sep3 0, sep3 3; sep3 1, sep3 2",
    ),
    "pc_darts_image": (
        "skip 1, sep3 0; sep3 0, skip 1; sep3 1, sep3 3; sep3 1, dil5 4",
        "sep3 0, skip 1; dil5 2, max3 1; sep3 2, sep3 1; sep5 0, sep3 3",
    ),
}
"""As printed in the two papers' repositories: (operation, source) per node, two each."""
LONG = {
    "sep3": "sep_conv_3x3",
    "sep5": "sep_conv_5x5",
    "skip": "skip_connect",
    "max3": "max_pool_3x3",
    "avg3": "avg_pool_3x3",
    "dil3": "dil_conv_3x3",
    "dil5": "dil_conv_5x5",
}
GOOD = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0)], normal_concat=range(2, 3), "
    "reduce=[('max_pool_3x3', 0), ('dil_conv_5x5', 1)], reduce_concat=range(2, 3))"
)


def read(text: str) -> Genotype:
    genotype, _ = read_genotype_text(text, "t").choose()
    return genotype


def published_text(name: str) -> str:
    cells = []
    for field, cell in zip(("normal", "reduce"), PUBLISHED[name], strict=True):
        words = [pair.split() for pair in re.split("[,;] ", cell)]
        pairs = ", ".join(f"('{LONG[operation]}', {source})" for operation, source in words)
        cells.append(f"{field}=[{pairs}], {field}_concat=range(2, 6)")
    return f"Genotype({', '.join(cells)})"


@pytest.mark.parametrize("name", PUBLISHED)
def test_packaged_genotypes_are_the_published_ones(name: str) -> None:
    text = published_text(name)
    assert write_darts_text(load_genotype(name)) == text
    found = read(text)
    assert found.cells == load_genotype(name).cells
    assert "darts" in check_membership(load_genotype(name))


@given(st.sampled_from([2, 3, 4, 6, 8]), st.integers(0, 10**6), st.booleans())
def test_what_is_derived_survives_the_text(nodes: int, seed: int, ties: bool) -> None:
    space = load_search_space("pc-darts", {"nodes": nodes})
    alphas, betas = random_choices(space, seed, ties=ties)
    genotype = derive(space, alphas, betas)
    text = write_darts_text(genotype)
    found = read(text)
    assert found.cells == genotype.cells
    assert (found.space.name, found.space.digest) == ("darts", space.digest)
    assert write_darts_text(found) == text


def test_lists_positions_and_spaces_are_read_too() -> None:
    plain = read(GOOD)
    spaced = GOOD.replace("range(2, 3)", "[2]").replace("), (", "),\n   (")
    short = re.sub(r"(normal|reduce)(_concat)?=", "", GOOD)
    for text in (spaced, short):
        assert read(text).cells == plain.cells


def test_a_part_of_the_nodes_concatenated_is_hand_made() -> None:
    text = published_text("darts_v1").replace("range(2, 6)", "[3, 5]")
    found = read(text)
    assert found.cells["normal"].outputs[0].sources == ("n2", "n4")
    assert found.space.name == "hand-made"
    assert "not at hand" in check_membership(found)
    assert write_darts_text(found) == text


def test_a_source_taken_twice_is_hand_made() -> None:
    """No search gives a node two edges from the same source, though hands may."""
    text = published_text("darts_v1")
    first = text.index("1)")
    found = read(text[:first] + "0)" + text[first + 2 :])
    assert [edge.source for edge in found.cells["normal"].nodes[0].edges] == ["c0", "c0"]
    assert found.space.name == "hand-made"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("'sep_conv_3x3'", "'conv_9x9'"),
            "unknown operation 'conv_9x9'; expected one of max_pool",
        ),
        (("'sep_conv_3x3'", "'none'"), "unknown operation 'none'"),
        (("'sep_conv_3x3'", "__import__('os')"), "expected pairs such as"),
        (("1)", "True)"), "expected pairs such as"),
        (("1)", "2)"), "leads into node 2; expected a source from 0 to 1"),
        (("1)", "-1)"), "leads into node 2; expected a source from 0 to 1"),
        (("1)", "x)"), r"expected pairs such as \('sep_conv_3x3', 1\), got x"),
        (("1)", "-x)"), "expected pairs such as"),
        (("1)", "1.0)"), "expected pairs such as"),
        (("range(2, 3)", "range(2, 10**9)"), r"expected range\(2, 6\)"),
        (("range(2, 3)", "range(2, 2000)"), r"expected range\(2, 6\)"),
        (("range(2, 3)", "range(2, 3, 0)"), r"expected range\(2, 6\)"),
        (("range(2, 3)", "range()"), r"expected range\(2, 6\)"),
        (("range(2, 3)", "[2, 'x']"), r"expected range\(2, 6\)"),
        (("range(2, 3)", "range(2, 10, 2)"), r"\[2, 4, 6, 8\], expected nodes from 2 to 2"),
        (("range(2, 3)", "range(2, 4)"), r"\[2, 3\], expected nodes from 2 to 2"),
        (("range(2, 3)", "[]"), r"expected range\(2, 6\)"),
        (("range(2, 3)", "[2, 2]"), "not distinct nodes"),
        (("range(2, 3)", "open('x')"), r"expected range\(2, 6\)"),
        ((", ('skip_connect', 0)", ""), "normal: 1 pairs; expected a list with two per node"),
        (("reduce_concat", "reduced"), "expected normal, normal_concat, reduce, reduce_concat"),
        (("reduce_concat=", "**"), "expected normal, normal_concat, reduce, reduce_concat"),
        (("reduce_concat=", "normal="), "fields are normal, .*normal; one is given twice"),
        (("normal=[", "normal=None, x=["), "normal: 0 pairs; expected a list with two per node"),
        ((", 3))", ""), "not complete"),
        (("normal=[", "normal=" + "[" * 500), "not readable"),
    ],
)
def test_mistakes_are_named(change: tuple[str, str], message: str) -> None:
    with pytest.raises(SpecError, match=rf"^t: line 3: .*{message}"):
        read("\n\nX = " + GOOD.replace(*change))


EDGES = [("sep_conv_3x3", 0, 2), ("skip_connect", 1, 2), ("max_pool_3x3", 2, 3)]
"""Edges of nodes 2 and 3, then pairs that are no such edges."""


def with_edges(edges: list[tuple[str, int, int]], turned: bool = False) -> str:
    parts = [(op, node, source) if turned else (op, source, node) for op, source, node in edges]
    return f"Genotype(normal={parts}, normal_concat=[2, 3], reduce={parts}, reduce_concat=[2])"


@pytest.mark.parametrize("turned", [False, True])
@given(st.permutations(EDGES))
def test_edges_that_name_their_node(turned: bool, edges: list[tuple[str, int, int]]) -> None:
    """NAT and aw_nas put the source first, FairDARTS the node; nodes may have one edge."""
    cell = read(with_edges(edges, turned)).cells["normal"]
    found = {(edge.operation, edge.source, node.name) for node in cell.nodes for edge in node.edges}
    assert found == {
        ("sep_3x3_twice", "c0", "n1"),
        ("skip", "c1", "n1"),
        ("max_pool_3x3", "n1", "n2"),
    }
    assert [len(node.edges) for node in cell.nodes] == [2, 1]


@pytest.mark.parametrize(
    ("edge", "message"),
    [
        (("skip_connect", 3, 1), "expected a source before its node in every edge"),
        (("skip_connect", 1, 1), "expected a source before its node in every edge"),
        (("skip_connect", 0, 5), "node 4 of 5 has no edge"),
        (("skip_connect", 0, 1), "an edge leads into 1; nodes are numbered from 2"),
        (("skip_connect", 0, 10**9), "an edge leads into 1000000000; nodes are"),
    ],
)
def test_edges_that_are_none(edge: tuple[str, int, int], message: str) -> None:
    with pytest.raises(SpecError, match=f"t: line 1: normal: {message}"):
        read(with_edges([*EDGES, edge]))


def test_groups_of_pairs() -> None:
    pairs = [[("sep_conv_3x3", 0), ("skip_connect", 1)], [("max_pool_3x3", 2)]]
    text = f"Genotype(normal={pairs}, normal_concat=[2, 3], reduce={pairs}, reduce_concat=[2])"
    assert read(text).cells == read(with_edges(EDGES)).cells
    named = [[("sep_conv_3x3", 0, 2), ("skip_connect", 1, 2)], [("max_pool_3x3", 2, 3)]]
    assert read(text.replace(str(pairs), str(named))).cells == read(text).cells
    wrong = [[("sep_conv_3x3", 0, 2)], [("skip_connect", 1, 2), ("max_pool_3x3", 2, 3)]]
    with pytest.raises(SpecError, match="normal: a group has edges into several nodes"):
        read(text.replace(str(pairs), str(wrong)))
    with pytest.raises(SpecError, match="normal: expected pairs such as"):
        read(text.replace("[('max_pool_3x3', 2)]", "('max_pool_3x3', 2)"))
    with pytest.raises(SpecError, match="normal: 202 pairs; expected at most 200"):
        read(text.replace(str(pairs), str([("skip_connect", 0)] * 202)))


@pytest.mark.parametrize("value", ["0.25", "np.float32(0.25)", "tensor(0.25, device='cuda:0')"])
def test_values_behind_pairs_are_ignored_with_a_note(value: str) -> None:
    text = GOOD.replace("1), (", f"1, {value}), (")
    genotype, notes = read_genotype_text(text, "t").choose()
    assert genotype.cells == read(GOOD).cells
    assert notes == [
        f"{cell}: ignored what is behind operation and source, such as {value}"
        for cell in ("normal",)
    ]


def test_what_the_text_cannot_say() -> None:
    with pytest.raises(SpecError, match=r"cells are fpn.* has normal and reduce"):
        write_darts_text(load_genotype("autofem-quickstart"))
    space = load_search_space("darts", {"keep": 1})
    alphas, _ = random_choices(space, 0, ties=False)
    with pytest.raises(SpecError, match=r"cells.normal: node 'n1': expected the sum of two edges"):
        write_darts_text(derive(space, alphas))
    genotype = load_genotype("darts_v1")
    node = genotype.cells["normal"].nodes[0]
    edge = replace(node.edges[0], operation="dense_3x3")
    cell = replace(
        genotype.cells["normal"],
        nodes=(
            replace(node, edges=(edge, node.edges[1])),
            *genotype.cells["normal"].nodes[1:],
        ),
    )
    with pytest.raises(SpecError, match="DARTS has no 'dense_3x3'; expected one of max_pool_3x3"):
        write_darts_text(replace(genotype, cells={**genotype.cells, "normal": cell}))


def test_names_are_one_to_one() -> None:
    assert len(set(DARTS_OPERATIONS.values())) == len(DARTS_OPERATIONS)


def test_real_files_of_any_encoding_fail_cleanly(tmp_path: Path) -> None:
    from nasface.cli.main import main

    path = tmp_path / "g.py"
    path.write_bytes(b"\xff\xfe\x00")
    assert main(["genotype", "import", str(path), "--out", str(tmp_path / "g.yaml")]) == 2
    assert not (tmp_path / "g.yaml").exists()

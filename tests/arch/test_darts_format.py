"""Genotypes in DARTS' text form: read as data, written back the same."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_choices

from nasface.arch.darts_format import OPERATIONS, read_darts_text, write_darts_text
from nasface.arch.io import check_membership, load_genotype, load_search_space
from nasface.errors import SpecError
from nasface.search.derive import derive

#: as printed in the two papers' repositories: (operation, source) per node, two each
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
    (found,) = read_darts_text(text, "t").values()
    assert found.cells == load_genotype(name).cells
    assert "darts" in check_membership(load_genotype(name))


@given(st.sampled_from([2, 3, 4, 6, 8]), st.integers(0, 10**6), st.booleans())
def test_what_is_derived_survives_the_text(nodes: int, seed: int, ties: bool) -> None:
    space = load_search_space("pc-darts", {"nodes": nodes})
    alphas, betas = random_choices(space, seed, ties=ties)
    genotype = derive(space, alphas, betas)
    text = write_darts_text(genotype)
    (found,) = read_darts_text(text, "t").values()
    assert found.cells == genotype.cells
    assert (found.space.name, found.space.digest) == ("darts", space.digest)
    assert write_darts_text(found) == text


def test_names_and_lines_of_a_file() -> None:
    text = f"# cells\nA = {GOOD}\n\nB={GOOD}\nDARTS = A\n"
    assert list(read_darts_text(text, "t")) == ["A", "B"]
    other = GOOD.replace("'sep_conv_3x3'", "'sep_conv_5x5'")
    log = f"10:00 epoch 0 genotype = {GOOD}\n10:05 epoch 1 genotype = {other}\n"
    (last,) = read_darts_text(log, "t").values()
    assert write_darts_text(last) == other
    assert read_darts_text(GOOD, "t").keys() == {"genotype"}


def test_lists_positions_and_spaces_are_read_too() -> None:
    plain = read_darts_text(GOOD, "t")["genotype"]
    spaced = GOOD.replace("range(2, 3)", "[2]").replace("), (", "),\n   (")
    short = re.sub(r"(normal|reduce)(_concat)?=", "", GOOD)
    for text in (spaced, short):
        assert read_darts_text(text, "t")["genotype"].cells == plain.cells


def test_a_part_of_the_nodes_concatenated_is_hand_made() -> None:
    text = published_text("darts_v1").replace("range(2, 6)", "[3, 5]")
    (found,) = read_darts_text(text, "t").values()
    assert found.cells["normal"].outputs[0].sources == ("n2", "n4")
    assert found.space.name == "hand-made"
    assert "not at hand" in check_membership(found)
    assert write_darts_text(found) == text


def test_a_source_taken_twice_is_hand_made() -> None:
    """No search gives a node two edges from the same source, though hands may."""
    text = published_text("darts_v1")
    first = text.index("1)")
    (found,) = read_darts_text(text[:first] + "0)" + text[first + 2 :], "t").values()
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
        (("1)", "-1)"), "expected pairs such as"),
        (("range(2, 3)", "range(2, 10**9)"), r"expected range\(2, 6\)"),
        (("range(2, 3)", "range(2, 10, 2)"), r"expected range\(2, 6\)"),
        (("range(2, 3)", "range(2, 4)"), r"\[2, 3\], expected nodes from 2 to 2"),
        (("range(2, 3)", "[]"), r"expected range\(2, 6\)"),
        (("range(2, 3)", "[2, 2]"), "not distinct nodes"),
        (("range(2, 3)", "open('x')"), r"expected range\(2, 6\)"),
        ((", ('skip_connect', 0)", ""), "normal: 1 pairs; expected a list with two per node"),
        (("reduce_concat", "reduced"), "expected normal, normal_concat, reduce, reduce_concat"),
        (("reduce_concat=", "**"), "expected normal, normal_concat, reduce, reduce_concat"),
        (("reduce_concat=", "normal="), "fields are normal, normal_concat, reduce; expected"),
        ((", 3))", ""), "not complete"),
        (("normal=[", "normal=" + "[" * 500), "not readable"),
    ],
)
def test_mistakes_are_named(change: tuple[str, str], message: str) -> None:
    with pytest.raises(SpecError, match=rf"^t: line 3: .*{message}"):
        read_darts_text("\n\nX = " + GOOD.replace(*change), "t")


def test_a_text_without_genotype() -> None:
    with pytest.raises(SpecError, match=r"t: holds no genotype; expected Genotype\(normal"):
        read_darts_text("normal = 3", "t")


@given(st.text(alphabet="Genotype(normal=[('skip_connect', 01)], rd)\n"))
def test_no_text_does_more_than_fail(text: str) -> None:
    try:
        found = read_darts_text(f"Genotype({text}", "t")
    except SpecError:
        return
    assert found


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
    assert len(set(OPERATIONS.values())) == len(OPERATIONS)


def test_real_files_of_any_encoding_fail_cleanly(tmp_path: Path) -> None:
    from nasface.cli.main import main

    path = tmp_path / "g.py"
    path.write_bytes(b"\xff\xfe\x00")
    assert main(["genotype", "import", str(path), "--out", str(tmp_path / "g.yaml")]) == 2
    assert not (tmp_path / "g.yaml").exists()

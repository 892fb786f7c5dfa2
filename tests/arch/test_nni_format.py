"""Cells in nni's maps of operations and inputs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.arch.darts_format import DARTS_OPERATIONS, darts_cell, write_darts_text
from nasface.arch.genotype import Genotype
from nasface.arch.genotype_text import read_genotype_text
from nasface.arch.io import load_genotype
from nasface.arch.nni_format import ALL_CONCATENATED
from nasface.errors import SpecError

CELLS = ("normal", "reduce")
FIRST_LIST = ["maxpool", "avgpool", "skipconnect", "sepconv3x3", "sepconv5x5", "dilconv3x3"]


def read(values: Any) -> tuple[Genotype, list[str]]:
    return read_genotype_text(json.dumps(values, indent=1), "t").choose()


def flat(pairs: dict[str, list[list[tuple[str, int]]]], listed: bool = True) -> dict[str, Any]:
    """The map of nni 3, or that of nni 2, which has no list around an input."""
    found: dict[str, Any] = {}
    for cell, nodes in pairs.items():
        for node, edges in enumerate(nodes, 2):
            for at, (operation, source) in enumerate(edges):
                found[f"{cell}/op_{node}_{at}"] = operation
                found[f"{cell}/input_{node}_{at}"] = [source] if listed else source
    return found


def darts_v2() -> dict[str, list[list[tuple[str, int]]]]:
    words = {here: there for there, here in DARTS_OPERATIONS.items()}
    result = {}
    for name, cell in load_genotype("darts_v2").cells.items():
        index = ["c0", "c1", *(node.name for node in cell.nodes)].index
        result[name] = [
            [(words[edge.operation], index(edge.source)) for edge in node.edges]
            for node in cell.nodes
        ]
    return result


@pytest.mark.parametrize("listed", [True, False])
def test_the_published_genotype(listed: bool) -> None:
    genotype, notes = read(flat(darts_v2(), listed))
    assert genotype.cells == load_genotype("darts_v2").cells
    assert genotype.space.name == "darts"
    assert write_darts_text(genotype) == write_darts_text(load_genotype("darts_v2"))
    assert notes == [ALL_CONCATENATED]


def test_in_python_and_in_a_log() -> None:
    values = flat(darts_v2())
    for text in (f"arch = {values}", f"10:00 Final model: {values} after 3 h", f"[{values}]"):
        genotype, _ = read_genotype_text(text, "t").choose()
        assert genotype.cells == load_genotype("darts_v2").cells


@given(
    st.integers(1, 6).flatmap(
        lambda count: st.tuples(
            *(
                st.tuples(
                    *(
                        st.lists(
                            st.tuples(
                                st.sampled_from(sorted(DARTS_OPERATIONS)), st.integers(0, at + 1)
                            ),
                            min_size=1,
                            max_size=3,
                        )
                        for at in range(count)
                    )
                )
                for _ in CELLS
            )
        )
    ),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_any_cells(nodes: Any, listed: bool, order: Any) -> None:
    """Keys in any order; both inputs of a node may be the same, as nni's sampling gives them."""
    pairs = dict(zip(CELLS, nodes, strict=True))
    items = list(flat(pairs, listed).items())
    order.shuffle(items)
    genotype, _ = read(dict(items))
    for cell in CELLS:
        concat = range(2, len(pairs[cell]) + 2)
        assert genotype.cells[cell] == darts_cell(cell, pairs[cell], concat)


def first(numbered: bool = False, switch: bool = True) -> dict[str, Any]:
    """DARTS V2 as nni 1 writes it."""
    found: dict[str, Any] = {}
    for cell, nodes in darts_v2().items():
        for node, edges in enumerate(nodes, 2):
            sources = {source: operation.replace("_conv_", "conv") for operation, source in edges}
            for source in range(node):
                word = sources.get(source, "").replace("_connect", "connect")
                word = word.replace("_pool_3x3", "pool")
                value: Any = FIRST_LIST.index(word) if numbered and word else word or []
                found[f"{cell}_n{node}_p{source}"] = value
            if switch:
                found[f"{cell}_n{node}_switch"] = [f"{cell}_n{node}_p{each}" for each in sources]
    return found


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("switch", [False, True])
def test_the_first_version(numbered: bool, switch: bool) -> None:
    genotype, notes = read(first(numbered, switch))
    expected = load_genotype("darts_v2").cells
    for cell, gene in genotype.cells.items():
        for ours, theirs in zip(gene.nodes, expected[cell].nodes, strict=True):
            assert set(ours.edges) == set(theirs.edges)
    assert len(notes) == 1 + numbered
    assert all(f"in nni's list: {', '.join(FIRST_LIST)}" in note for note in notes[1:])


def test_an_edge_that_the_switch_leaves_out() -> None:
    values = first()
    values["normal_n3_p2"] = "sepconv5x5"
    assert len(read(values)[0].cells["normal"].nodes[1].edges) == 2
    values["normal_n3_switch"] = [1, 2]
    edges = read(values)[0].cells["normal"].nodes[1].edges
    assert [edge.source for edge in edges] == ["c1", "n1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normal/op_2_0": 3}, "normal/op_2_0: 3, expected the name of an operation"),
        ({"normal/op_2_0": "conv_1x1"}, "unknown operation 'conv_1x1'"),
        ({"normal/op_2_0": "none"}, "unknown operation 'none'"),
        ({"normal/input_2_0": [0, 1]}, r"normal/input_2_0: \[0, 1\], expected one source"),
        ({"normal/input_2_0": "0"}, "normal/input_2_0: '0', expected one source"),
        ({"normal/input_2_0": 2}, "leads into node 2; expected a source from 0 to 1"),
        ({"normal/input_2_0": {"x": 1}}, "normal/input_2_0: .*expected a text, number or list"),
        ({"normal/op_2_2": "skip_connect"}, "normal/input_2_2: is missing"),
        ({"normal/op_7_0": "skip_connect", "normal/input_7_0": 0}, "has the nodes 2, 3, 4, 5, 7"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=rf"^t: line 1: .*{message}"):
        read(flat(darts_v2()) | change)


def test_a_cell_that_is_not_there() -> None:
    values = {key: value for key, value in flat(darts_v2()).items() if key.startswith("normal")}
    with pytest.raises(SpecError, match="reduce: has the nodes none; expected them numbered"):
        read(values)


def test_other_keys_are_ignored_with_a_note() -> None:
    genotype, notes = read(flat(darts_v2()) | {"width": 16, "auxiliary": True})
    assert genotype.cells == load_genotype("darts_v2").cells
    assert notes == [ALL_CONCATENATED, "ignored the keys width, auxiliary"]

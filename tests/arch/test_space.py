"""Expansion of space documents by hand; the packaged spaces."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from strategies import one_cell, space_of

from nasface.arch.io import load_search_space, packaged_names
from nasface.arch.space import Parameter, SearchSpace
from nasface.errors import SpecError

OPERATIONS = ["none", "skip", "sep_3x3"]


def dense(**changes: Any) -> dict[str, Any]:
    """A document with one dense reduction cell of two inputs; ``changes`` go into the block."""
    return {
        "format": 1,
        "name": "dense",
        "operations": OPERATIONS,
        "cells": {
            "c": {
                "inputs": [{"name": "x", "level": 2}, {"name": "y", "level": 2}],
                "dense": {"nodes": 2, "keep": 2, "input_transform": "stride", **changes},
                "output": {"rule": "cat-leaf"},
            }
        },
    }


def test_a_dense_cell_by_hand() -> None:
    cell = space_of(dense()).cells["c"]
    assert [node.name for node in cell.nodes] == ["n1", "n2"]
    assert [node.level for node in cell.nodes] == [3, 3]
    assert [[(e.source, e.transform) for e in node.edges] for node in cell.nodes] == [
        [("x", "stride"), ("y", "stride")],
        [("x", "stride"), ("y", "stride"), ("n1", "none")],
    ]
    assert all(edge.operations == tuple(OPERATIONS) for edge in cell.edges)


def test_a_dense_node_keeps_no_more_edges_than_it_has() -> None:
    cell = space_of(dense(keep=3)).cells["c"]
    assert [node.keep for node in cell.nodes] == [2, 3]
    assert [node.keep for node in space_of(dense(keep="all")).cells["c"].nodes] == ["all", "all"]


def test_columns_are_the_candidates_first_then_what_single_edges_add() -> None:
    space = one_cell(
        [
            {"name": "a", "level": 2, "edges": [{"source": "x", "operations": ["dense_3x3"]}]},
            {"name": "b", "level": 2, "edges": [{"source": "a"}]},
            {
                "name": "d",
                "level": 2,
                "edges": [{"source": "a", "operations": ["sep_5x5", "skip"]}],
            },
        ]
    )
    assert space.operations == ("none", "skip", "conv_1x1", "sep_3x3", "dense_3x3", "sep_5x5")
    assert space.candidates("c") == ((4,), (0, 1, 2, 3), (5, 1))


def test_parameters_are_filled_in() -> None:
    document = dense(nodes="$nodes") | {"parameters": {"nodes": {"default": 2, "choices": [2, 3]}}}
    assert len(space_of(document).cells["c"].nodes) == 2
    space = space_of(document, {"nodes": 3})
    assert len(space.cells["c"].nodes) == 3
    assert space.parameters == {"nodes": 3}
    assert space.digest == space_of(dense(nodes=3)).digest
    assert Parameter(2, (2, 3)).default == 2


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d.update(operations=[]), "operations, cells"),
        (lambda d: d.update(cells={}), "operations, cells"),
        (lambda d: d.update(operations=["skip", "conv_9x9"]), "operations.1"),
        (lambda d: d.update(partial_channels=0), "partial_channels: 0"),
        (lambda d: d["cells"].update({"a b": d["cells"]["c"]}), "cells.a b"),
        (lambda d: d["cells"]["c"].pop("dense"), "cells.c.nodes, dense: give one"),
        (lambda d: d["cells"]["c"].update(nodes=[]), "cells.c.nodes, dense: give one"),
        (lambda d: d["cells"]["c"].update(inputs=[]), "cells.c.inputs"),
        (lambda d: d["cells"]["c"]["dense"].update(nodes=0), "cells.c.dense.nodes: 0"),
        (lambda d: d["cells"]["c"]["dense"].update(keep=0), "keep: 0"),
        (lambda d: d["cells"]["c"]["inputs"][1].update(level=3), "cells.c.nodes.0 (n1).edges.1"),
    ],
)
def test_a_bad_document_names_the_place(
    change: Callable[[dict[str, Any]], object], place: str
) -> None:
    document = dense()
    change(document)
    with pytest.raises(SpecError) as caught:
        space_of(document)
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_digest_changes_with_the_cells_only() -> None:
    space = space_of(dense())
    assert space_of(dense() | {"description": "words", "name": "other"}).digest == space.digest
    different = {
        "operations added": dense() | {"operations": [*OPERATIONS, "sep_5x5"]},
        "operations reordered": dense() | {"operations": OPERATIONS[::-1]},
        "edges fixed": dense(operations=["skip"]),
        "nodes": dense(nodes=3),
        "keep": dense(keep=1),
        "combine": dense(combine="concat"),
        "transform": dense(input_transform="down2"),
    }
    digests = {what: space_of(document).digest for what, document in different.items()}
    assert len({space.digest, *digests.values()}) == len(different) + 1, digests
    cell = space.cells["c"]
    renamed = replace(space, cells={"d": cell})
    projected = replace(
        space, cells={"c": replace(cell, output=replace(cell.output, projection="conv"))}
    )
    assert len({space.digest, renamed.digest, projected.digest}) == 3
    assert len(space.digest) == 12


def packaged() -> list[SearchSpace]:
    spaces = [load_search_space("autofem-fpn")]
    for name in ("autofem", "autofem-cpm"):
        spaces += [load_search_space(name, {"nodes": nodes}) for nodes in (4, 6, 8)]
    return spaces


def test_packaged_spaces_load_with_every_parameter() -> None:
    names = packaged_names("nasface.search_spaces")
    assert names == [
        "autofem",
        "autofem-cpm",
        "autofem-fpn",
        "autofem2",
        "autofem2-cpm",
        "autofem2-fpn",
        "darts",
        "pc-darts",
        "pyramid",
    ]
    spaces = packaged()
    assert len({space.digest for space in spaces}) == len(spaces)
    assert load_search_space("autofem-cpm").digest == spaces[5].digest
    for space in spaces:
        assert space.edge_normalisation
        assert space.partial_channels == 4
        outputs = [level for cell in space.cells.values() for level in cell.output_levels]
        assert sorted(set(outputs)) == [2, 3, 4, 5, 6, 7]


def test_darts_by_hand() -> None:
    for nodes, edges in ((2, 5), (4, 14), (6, 27), (8, 44)):
        spaces = [load_search_space(name, {"nodes": nodes}) for name in ("darts", "pc-darts")]
        assert spaces[0].cells == spaces[1].cells
        assert [each.partial_channels for each in spaces] == [1, 4]
        assert [each.edge_normalisation for each in spaces] == [False, True]
        assert len(spaces[0].operations) == 8
        for name, graph in spaces[0].cells.items():
            assert len(graph.edges) == edges
            assert {node.kept for node in graph.nodes} == {2}
            strided = [edge.transform == "stride" for edge in graph.edges]
            from_inputs = [edge.source in ("c0", "c1") for edge in graph.edges]
            assert strided == (from_inputs if name == "reduce" else [False] * edges)


def test_candidates_of_the_context_cells_by_hand() -> None:
    """Node i of 6 has i incoming edges of 8 operations each: 8 * (1 + ... + 6) pairs a cell."""
    space = load_search_space("autofem-cpm")
    assert len(space.cells) == 6
    for name in space.cells:
        assert sum(len(columns) for columns in space.candidates(name)) == 8 * 21


def narrow(**changes: Any) -> dict[str, Any]:
    """Cell c whose width is given, beside cell d that always stays."""
    cell = {
        "inputs": [{"name": "x", "level": 2}],
        "dense": {"nodes": 2, "keep": 1},
        "output": {"rule": "cat-leaf"},
    }
    cells = {"c": {**cell, **changes}, "d": cell}
    return {"format": 1, "name": "narrow", "operations": ["skip", "sep_3x3"], "cells": cells}


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (1, (1.0,)),
        (0.5, (0.5,)),
        ([1, 0.25, 0], (1.0, 0.25, 0.0)),
        ("any", (1.0, 0.5, 0.25)),
    ],
)
def test_widths_are_read_and_kept(width: Any, expected: tuple[float, ...], tmp_path: Path) -> None:
    space = space_of(narrow(width=width))
    assert space.cells["c"].widths == expected
    assert space.searched_widths("c") == ({"c": expected} if len(expected) > 1 else {})
    space.save(tmp_path / "again.yaml")
    again = load_search_space(tmp_path / "again.yaml")
    assert again.cells == space.cells
    assert (again.digest == space_of(narrow()).digest) == (width == 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": []}, "expected one or more shares, all different"),
        ({"width": [0.5, 0.5]}, "expected one or more shares, all different"),
        ({"width": 1.5}, "expected shares of the channels up to 1"),
        ({"width": [1, -0.5]}, "expected shares of the channels up to 1"),
        ({"width": 0}, "and one above 0"),
        ({"width": "half"}, "width"),
        ({"width": True}, "width"),
        (
            {"width": 0.5, "output": {"rule": "cat-all", "projection": "none"}},
            "narrower nodes need a projection back",
        ),
        (
            {
                "width": [1, 0],
                "dense": None,
                "nodes": [
                    {"name": "a", "level": 3, "edges": [{"source": "x", "transform": "down2"}]}
                ],
            },
            r"width: 0 passes on the input of each output level \[3\], inputs are at \[2\]",
        ),
    ],
)
def test_widths_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        space_of(narrow(**changes))


def test_a_cell_that_is_whole_or_left_out_needs_no_projection() -> None:
    document = narrow(width=[1, 0], output={"rule": "cat-all", "projection": "none"})
    assert space_of(document).cells["c"].widths == (1.0, 0.0)


def test_one_cell_has_to_stay() -> None:
    document = narrow(width=[1, 0])
    document["cells"]["d"]["width"] = [0, 1]
    with pytest.raises(SpecError, match="cells: width 0 may leave out each of them"):
        space_of(document)


def test_the_digests_of_spaces_did_not_change_when_cells_got_a_width() -> None:
    """They stand in genotypes."""
    known = {
        "autofem": "217bfd23541a",
        "autofem-cpm": "15830bbd0461",
        "autofem-fpn": "c3f7958bba46",
        "autofem2": "c995e80b5e98",
        "autofem2-cpm": "7fdaaeebb9e9",
        "autofem2-fpn": "cce5a7eca8d6",
        "darts": "ace4dd2989af",
    }
    assert {name: load_search_space(name).digest for name in known} == known

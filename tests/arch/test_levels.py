"""Parts of a pyramid, and cells that share their choices."""

from dataclasses import replace
from typing import Any

import pytest
from strategies import space_of

from nasface.arch.graph import Edge, Input, Node
from nasface.arch.io import check_membership, load_search_space
from nasface.arch.levels import at_levels, read_levels
from nasface.errors import SpecError
from nasface.nas.sampling import random_genotype


def two_cells(**changes: Any) -> dict[str, Any]:
    def cell(level: int) -> dict[str, Any]:
        return {
            "inputs": [{"name": "x", "level": level}],
            "dense": {"nodes": 2, "keep": 1},
            "output": {"rule": "cat-leaf"},
        }

    return {
        "format": 1,
        "name": "two",
        "operations": ["skip", "sep_3x3"],
        "cells": {"fine": cell(3), "coarse": cell(4)},
        "groupings": {"one": [["fine", "coarse"]], "each": []},
        **changes,
    }


def test_levels_are_read_and_refused() -> None:
    assert list(read_levels("3-5")) == [3, 4, 5]
    assert list(read_levels("4-4")) == [4]
    for text in ("", "3", "5-3", "3-21", "a-b", "3-5-7"):
        with pytest.raises(SpecError, match="levels"):
            read_levels(text)


def test_what_lies_at_other_levels_goes_with_its_edges() -> None:
    """b loses its edge from level 2, c has none left and goes, and d its edge from c."""
    inputs = (Input("x", 2), Input("y", 3))
    nodes = (
        Node("a", 2, (Edge("x", ("skip",)),)),
        Node("b", 3, (Edge("a", ("skip",), "down2"), Edge("y", ("skip",))), keep=2),
        Node("c", 3, (Edge("a", ("skip",), "down2"),)),
        Node("d", 3, (Edge("c", ("skip",)), Edge("b", ("skip",)))),
    )
    kept_inputs, kept = at_levels(inputs, nodes, range(3, 5))
    assert kept_inputs == (Input("y", 3),)
    assert [(node.name, [e.source for e in node.edges], node.keep) for node in kept] == [
        ("b", ["y"], 1),
        ("d", ["b"], "all"),
    ]


def test_a_space_without_a_cell_at_its_levels_is_refused() -> None:
    assert list(space_of(two_cells(levels="4-6")).cells) == ["coarse"]
    with pytest.raises(SpecError, match="no cell is left"):
        space_of(two_cells(levels="5-6"))


def test_tied_cells_share_their_choices() -> None:
    space = space_of(two_cells(tied="one"))
    assert space.leaders == ("fine",)
    assert [space.leader(cell) for cell in space.cells] == ["fine", "fine"]
    apart = space_of(two_cells(tied="each"))
    assert apart.leaders == ("fine", "coarse")
    assert apart.digest == space_of(two_cells()).digest != space.digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tied": "two"}, "none of groupings; expected one, each"),
        ({"tied": "a", "groupings": {"a": [["fine", "other"]]}}, "expected different ones of"),
        ({"tied": "a", "groupings": {"a": [["fine"], ["fine"]]}}, "expected different ones of"),
    ],
)
def test_strange_groups_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        space_of(two_cells(**changes))


def test_cells_that_differ_in_more_than_their_level_cannot_be_tied() -> None:
    document = two_cells(tied="one")
    document["cells"]["coarse"]["dense"]["nodes"] = 3
    with pytest.raises(SpecError, match="fine and coarse differ in more than their level"):
        space_of(document)


@pytest.mark.parametrize("name", ["autofem2", "autofem2-cpm", "autofem2-fpn", "pyramid"])
@pytest.mark.parametrize("levels", ["2-7", "3-5"])
def test_packaged_spaces_are_saved_and_read_again(name: str, levels: str, tmp_path: Any) -> None:
    space = load_search_space(name, levels=levels)
    used = {level for cell in space.cells.values() for level in cell.output_levels}
    assert used == set(read_levels(levels))
    space.save(tmp_path / "space.yaml")
    again = load_search_space(tmp_path / "space.yaml")
    assert (again.digest, again.cells, again.tied) == (space.digest, space.cells, space.tied)


def test_the_context_cells_of_autofem2_by_grouping() -> None:
    found = {
        context: load_search_space("autofem2-cpm", context=context).leaders
        for context in ("one", "two", "each")
    }
    assert found["one"] == ("cpm_c2",)
    assert found["two"] == ("cpm_c2", "cpm_c5")
    assert len(found["each"]) == 6


def test_a_genotype_whose_tied_cells_differ_is_none_of_the_space() -> None:
    space = load_search_space("autofem2-cpm", levels="3-5")
    one, other = random_genotype(space, 0), random_genotype(space, 1)
    check_membership(one)
    mixed = replace(one, cells={**one.cells, "cpm_c5": other.cells["cpm_c5"]})
    with pytest.raises(SpecError, match=r"cells\.cpm_c5: differs from cpm_c3"):
        check_membership(mixed)

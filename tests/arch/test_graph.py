"""The graph of a cell, by hand and for random spaces."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from strategies import spaces

from nasface.arch.graph import CellGraph, Edge, Input, Node, Output
from nasface.arch.space import SearchSpace
from nasface.errors import SpecError

OPERATIONS = ("none", "skip", "sep_3x3")
INPUTS = (Input("x", 2), Input("y", 3))
A = Node("a", 2, (Edge("x", OPERATIONS), Edge("y", ("skip",), "up2")))
B = Node("b", 3, (Edge("a", OPERATIONS, "stride"), Edge("x", OPERATIONS, "down2")), keep=1)
C = Node(
    "c", 2, (Edge("a", OPERATIONS), Edge("x", OPERATIONS), Edge("b", OPERATIONS, "up2")), keep=2
)


def graph(*nodes: Node, rule: str = "cat-all") -> CellGraph:
    return CellGraph(INPUTS, nodes, Output("cat-leaf" if rule == "cat-leaf" else "cat-all"))


def test_edges_are_numbered_node_by_node() -> None:
    cell = graph(A, B, C)
    assert [edge.source for edge in cell.edges] == ["x", "y", "a", "x", "a", "x", "b"]
    assert cell.edges_into == (range(2), range(2, 4), range(4, 7))
    assert cell.output_levels == (2, 3)
    assert [node.kept for node in cell.nodes] == [2, 1, 2]


def test_outputs_by_hand() -> None:
    cell = graph(A, B, C)
    assert cell.sources_of_outputs() == {2: (0, 2), 3: (1,)}
    leaf = graph(A, B, replace(C, edges=C.edges[:2]), rule="cat-leaf")
    assert leaf.sources_of_outputs() == {2: (2,), 3: (1,)}
    # Without the edges from a (2 and 4) a is a leaf too.
    assert leaf.sources_of_outputs(frozenset({0, 1, 3, 5})) == {2: (0, 2), 3: (1,)}


@settings(max_examples=50, deadline=None)
@given(spaces())
def test_leaves_are_the_nodes_without_outgoing_edges(space: SearchSpace) -> None:
    for cell in space.cells.values():
        for active in (None, frozenset(range(0, len(cell.edges), 2)), frozenset[int]()):
            sources = [edge.source for node in cell.nodes for edge in node.edges]
            taken = {s for at, s in enumerate(sources) if active is None or at in active}
            assert [cell.nodes[at].name for at in cell.leaves(active)] == [
                node.name for node in cell.nodes if node.name not in taken
            ]


@pytest.mark.parametrize(
    ("nodes", "place", "accepted"),
    [
        ((), "inputs, nodes", "at least one"),
        ((A, replace(B, name="a")), "nodes.1.name: 'a'", "already taken"),
        ((replace(A, name="x"),), "nodes.0.name: 'x'", "already taken"),
        ((C, A, B), "nodes.0.edges.0.source: 'a'", "expected one of x, y"),
        ((Node("a", 2, (Edge("a", ("skip",)),)),), "nodes.0.edges.0.source: 'a'", "x, y"),
        ((Node("a", 2, ()),), "nodes.0 (a).edges", "at least one"),
        ((replace(A, level=3),), "nodes.0 (a).edges.0.transform: 'none'", "from level 2 to 2"),
        ((A, replace(B, keep=0)), "nodes.1 (b).keep: 0", "1 to 2"),
        ((A, replace(B, keep=3)), "nodes.1 (b).keep: 3", "1 to 2"),
        ((Node("a", 2, (Edge("x", ("sep_9x9",)),)),), "'sep_9x9'", "sep_7x7"),
        ((Node("a", 2, (Edge("x", ("skip", "skip")),)),), "edges.0.operations", "twice"),
        ((Node("a", 2, (Edge("x", ("none",)),)),), "edges.0.operations", "other than none"),
        ((Node("a", 2, (Edge("x", ()),)),), "edges.0.operations", "other than none"),
    ],
)
def test_a_bad_cell_names_the_place(nodes: tuple[Node, ...], place: str, accepted: str) -> None:
    with pytest.raises(SpecError) as caught:
        graph(*nodes)
    assert place in str(caught.value)
    assert accepted in str(caught.value)


def test_a_cell_needs_inputs() -> None:
    with pytest.raises(SpecError, match="at least one"):
        CellGraph((), (A,), Output("cat-all"))


@pytest.mark.parametrize(
    ("nodes", "output", "message"),
    [
        # which nodes are leaves, and so the width, depends on what B keeps
        ((A, B), Output("cat-leaf", "none"), "output.projection"),
        ((A,), Output("cat-all", "none", residual=True), "output.residual"),
        # c is consumed by nothing but a and b always are, so level 3 would be empty
        ((A, replace(B, keep="all"), C), Output("cat-leaf"), "output.rule.*level 3"),
    ],
)
def test_an_impossible_output_is_refused(
    nodes: tuple[Node, ...], output: Output, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        CellGraph(INPUTS, nodes, output)


def test_a_residual_needs_an_input_at_every_output_level() -> None:
    with pytest.raises(SpecError, match=r"output.residual.*\[2, 3\].*\[2\]"):
        CellGraph(
            INPUTS[:1],
            (Node("a", 2, (Edge("x", OPERATIONS),)), B),
            Output("cat-all", "conv", residual=True),
        )

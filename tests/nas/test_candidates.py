"""Which pairs are open, scored and selected, by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import one_cell, random_choices, spaces

from nasface.arch.graph import Edge
from nasface.arch.space import SearchSpace
from nasface.nas.candidates import CandidateTable, pair_scores, select

# columns: none 0, skip 1, conv_1x1 2, sep_3x3 3
SPACE = one_cell(
    [
        {
            "name": "a",
            "level": 2,
            "keep": 1,
            "edges": [{"source": "x", "operations": ["none", "skip"]}, {"source": "y"}],
        },
        {
            "name": "b",
            "level": 2,
            "edges": [{"source": "a", "operations": ["skip"]}, {"source": "x"}],
        },
        {"name": "d", "level": 2, "edges": [{"source": "b", "operations": ["none", "skip"]}]},
    ],
    inputs=("x", "y"),
)
TABLE = CandidateTable.of(SPACE, "c")


def test_the_table_by_hand() -> None:
    assert TABLE.offered_EO.astype(int).tolist() == [
        [1, 1, 0, 0],
        [1, 1, 1, 1],
        [0, 1, 0, 0],
        [1, 1, 1, 1],
        [1, 1, 0, 0],
    ]
    assert TABLE.eligible_EO.astype(int).tolist() == [
        [0, 1, 0, 0],
        [0, 1, 1, 1],
        [0, 1, 0, 0],
        [0, 1, 1, 1],
        [0, 1, 0, 0],
    ]
    assert TABLE.slots == (
        (((0, 1),), ((1, 1), (1, 2), (1, 3))),
        (((2, 1),), ((3, 1), (3, 2), (3, 3))),
        (((4, 1),),),
    )
    # a keeps one of two edges, so even its only operation on x is a choice
    assert TABLE.open_EO.astype(int).tolist() == [
        [0, 1, 0, 0],
        [0, 1, 1, 1],
        [0, 0, 0, 0],
        [0, 1, 1, 1],
        [0, 0, 0, 0],
    ]


def test_scores_by_hand() -> None:
    alpha = np.log(np.array([[1, 3, 9, 9], [1, 2, 3, 4], [7, 1, 7, 7], [1, 1, 1, 1], [4, 1, 9, 9]]))
    beta = np.log(np.array([3.0, 1.0, 1.0, 4.0, 5.0]))
    shares = np.array(
        [
            [0.25, 0.75, 0, 0],
            [0.1, 0.2, 0.3, 0.4],
            [0, 1, 0, 0],
            [0.25, 0.25, 0.25, 0.25],
            [0.8, 0.2, 0, 0],
        ]
    )
    without = pair_scores(TABLE, alpha.astype(np.float32), None)
    assert without.dtype == np.float32
    np.testing.assert_allclose(without, shares, rtol=1e-6)
    scores = pair_scores(TABLE, alpha.astype(np.float32), beta.astype(np.float32))
    factors = np.array([0.75, 0.25, 0.2, 0.8, 1.0])
    np.testing.assert_allclose(scores, shares * factors[:, None], rtol=1e-6)


def test_selection_by_hand() -> None:
    scores = np.array(
        [[0.9, 0.3, 0, 0], [0, 0.1, 0.3, 0.3], [0, 0, 0, 0], [9, 1, 1, 0], [9, 0, 0, 0]]
    ).astype(np.float32)
    # a: both edges are worth 0.3, the lower wins; b and d keep all, in the order of the graph
    assert select(TABLE, scores) == (((0, 1),), ((2, 1), (3, 1)), ((4, 1),))
    scores[1, 3] = 0.4
    assert select(TABLE, scores)[0] == ((1, 3),)


def test_some_of_the_edges_come_by_descending_score() -> None:
    edges = [{"source": name, "operations": ["skip"]} for name in ("x", "y", "x", "y")]
    space = one_cell([{"name": "a", "level": 2, "keep": 3, "edges": edges}], inputs=("x", "y"))
    table = CandidateTable.of(space, "c")
    scores = np.zeros((4, 4), dtype=np.float32)
    scores[:, 1] = [0.2, 0.4, 0.2, 0.3]
    assert select(table, scores) == (((1, 1), (3, 1), (0, 1)),)


@settings(max_examples=60, deadline=None)
@given(spaces(), st.integers(0, 1000), st.booleans())
def test_probabilities_sum_to_one_and_selection_fits_the_space(
    space: SearchSpace, seed: int, ties: bool
) -> None:
    alphas, betas = random_choices(space, seed, ties=ties)
    for cell, graph in space.cells.items():
        table = CandidateTable.of(space, cell)
        scores = pair_scores(table, alphas[cell], None if betas is None else betas[cell])
        assert not scores[~table.offered_EO].any()
        for edges in graph.edges_into:
            total = scores[list(edges)].sum()
            assert total == pytest.approx(len(edges) if betas is None else 1, rel=1e-5)
        for node, edges, pairs in zip(
            graph.nodes, graph.edges_into, select(table, scores), strict=True
        ):
            kept = [edge for edge, _ in pairs]
            assert len(kept) == len(set(kept)) == node.kept
            assert set(kept) <= set(edges)
            for edge, column in pairs:
                here: Edge = graph.edges[edge]
                assert space.operations[column] in set(here.operations) - {"none"}

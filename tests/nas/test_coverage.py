"""Visit counts and the report, by hand."""

import numpy as np
import pytest
import torch
from strategies import one_cell

from nasface.nas.candidates import CandidateTable
from nasface.nas.coverage import Coverage, Decision, decisions
from nasface.nas.mixture import GatedOp, InputSlot, PathMixture, SoftMixture

# columns: none 0, skip 1, conv_1x1 2, sep_3x3 3; edge 0 and 1 into a, 2 into b
SPACE = one_cell(
    [
        {"name": "a", "level": 2, "keep": 1, "edges": [{"source": "x"}, {"source": "y"}]},
        {"name": "b", "level": 2, "edges": [{"source": "a", "operations": ["skip"]}]},
    ],
    inputs=("x", "y"),
)


def path(edge: int, column: int) -> dict[str, PathMixture]:
    probe = GatedOp(0, 3, torch.zeros(()))
    return {
        "c": PathMixture(
            ((InputSlot(GatedOp(edge, column), (probe,)),), (InputSlot(GatedOp(2, 1)),))
        )
    }


def coverage() -> Coverage:
    return Coverage({"c": CandidateTable.of(SPACE, "c")})


def test_counts_by_hand() -> None:
    counted = coverage()
    assert (counted.candidates(), counted.unvisited()) == (6, 6)
    counted.add(path(0, 1))
    counted.add(path(0, 1))
    counted.add(path(1, 3))
    # a probe is no visit: its weights are not trained
    assert counted.counts["c"].tolist() == [[0, 2, 0, 0], [0, 0, 0, 1], [0, 3, 0, 0]]
    assert counted.unvisited() == 4
    counted.add({"c": SoftMixture(torch.zeros(3, 4), None)})
    assert counted.counts["c"].tolist() == [[1, 3, 1, 1], [1, 1, 1, 2], [0, 4, 0, 0]]
    assert counted.unvisited() == 0


def test_counts_survive_a_checkpoint() -> None:
    counted, again = coverage(), coverage()
    counted.add(path(1, 2))
    again.load(counted.state())
    assert np.array_equal(again.counts["c"], counted.counts["c"])
    again.add(path(1, 2))
    assert again.counts["c"][1, 2] == 2
    assert counted.counts["c"][1, 2] == 1


def test_report_by_hand() -> None:
    counted = coverage()
    counted.add(path(0, 1))
    counted.add(path(0, 1))
    alpha = np.zeros((3, 4), dtype=np.float32)
    beta = np.zeros(3, dtype=np.float32)
    # b has nothing to choose and no row; with equal weights a is as undecided as can be
    (row,) = decisions(counted, {"c": alpha}, {"c": beta}, {})
    assert row == Decision("c", "a", 6, row.entropy, row.margin, least=0, most=2)
    assert row.entropy == pytest.approx(1)
    assert row.margin == pytest.approx(0, abs=1e-6)
    # none has half of edge x and counts for nothing; the others share 1/2 * 3/4 and 1/4
    alpha = np.log(np.array([[3, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]])).astype(np.float32)
    beta = np.log(np.array([3, 1, 1])).astype(np.float32)
    pairs = np.array([1 / 6 * 3 / 4] * 3 + [1 / 4 * 1 / 4] * 3)
    pairs /= pairs.sum()
    (row,) = decisions(counted, {"c": alpha}, {"c": beta}, {})
    assert row.entropy == pytest.approx(-(pairs * np.log(pairs)).sum() / np.log(6), rel=1e-5)
    assert row.margin == pytest.approx(0, abs=1e-6)
    # without edge normalisation; one operation far ahead decides it
    alpha[1, 2] = 60
    (row,) = decisions(counted, {"c": alpha}, {}, {})
    shares = np.array([1 / 6] * 3 + [1])
    shares /= shares.sum()
    assert row.margin == pytest.approx(shares[3] - shares[0], rel=1e-5)


def test_a_node_that_keeps_more_than_one_edge() -> None:
    """The margin is that of the kept pair that is closest to being replaced."""

    def rows(keep: int | str) -> list[Decision]:
        edges = [{"source": each} for each in "xyz"]
        space = one_cell(
            [{"name": "a", "level": 2, "keep": keep, "edges": edges}], inputs=tuple("xyz")
        )
        counted = Coverage({"c": CandidateTable.of(space, "c")})
        return decisions(counted, {"c": alpha}, {}, {})

    # columns: none, skip, conv_1x1, sep_3x3; of 15 shares of the pairs that can be kept
    shares = np.array([[5, 3, 1, 1], [5, 1, 3, 1], [5, 2, 2, 1]], dtype=np.float32)
    alpha = np.log(shares)
    assert [row.margin for row in rows(1)] == pytest.approx([0], abs=1e-6)  # x and y are equal
    assert [row.margin for row in rows(2)] == pytest.approx([1 / 15])  # y or z
    assert [row.margin for row in rows(3)] == pytest.approx([0], abs=1e-6)  # on z: skip or conv_1x1
    shares[2, 1] = 2.5
    alpha = np.log(shares)
    (row,) = rows("all")
    assert row.margin == pytest.approx(0.5 / 5.5, rel=1e-5)
    each = [np.array(values) / sum(values) for values in ([3, 1, 1], [1, 3, 1], [2.5, 2, 1])]
    entropies = [-(p * np.log(p)).sum() / np.log(3) for p in each]
    assert row.entropy == pytest.approx(np.mean(entropies), rel=1e-5)
    assert row.candidates == 9


def test_a_decided_node_of_many_edges_is_decided() -> None:
    edges = [{"source": each} for each in "xy"]
    space = one_cell([{"name": "a", "level": 2, "edges": edges}], inputs=tuple("xy"))
    alpha = np.zeros((2, 4), dtype=np.float32)
    alpha[0, 1] = alpha[1, 3] = 60
    (row,) = decisions(Coverage({"c": CandidateTable.of(space, "c")}), {"c": alpha}, {}, {})
    assert row.margin == pytest.approx(1)
    assert row.entropy == pytest.approx(0, abs=1e-6)

import numpy as np
import pytest

from nasface.arch.io import load_search_space
from nasface.nas.candidates import CandidateTable
from nasface.plots.arch_history import node_histories, plot_choice_history

SPACE = load_search_space("darts", {"nodes": 2, "keep": 1})
CELL = "normal"


def scores_of(*epochs: dict[tuple[int, int], float]) -> np.ndarray:
    """Scores of one everywhere that is offered, but for the given pairs."""
    offered = CandidateTable.of(SPACE, CELL).offered_EO
    scores = np.where(offered, 1.0, np.nan)[None].repeat(len(epochs), axis=0)
    for at, changes in enumerate(epochs):
        for pair, value in changes.items():
            scores[at][pair] = value
    return scores.astype(np.float32)


def pair_of(edge: int, operation: str) -> tuple[int, int]:
    return edge, SPACE.operations.index(operation)


def test_shares_entropy_and_changes_of_a_node() -> None:
    best = pair_of(0, "sep_3x3_twice")
    other = pair_of(1, "skip")
    first, *_ = node_histories(SPACE, CELL, scores_of({best: 3.0}, {best: 3.0}, {other: 3.0}))
    count = len(first.pairs)
    assert first.shares_TP.sum(axis=1) == pytest.approx(1)
    assert first.shares_TP[0, first.pairs.index(best)] == pytest.approx(3 / (count + 2))
    share = np.array([3.0] + [1.0] * (count - 1)) / (count + 2)
    assert first.entropy_T[0] == pytest.approx(-(share * np.log(share)).sum() / np.log(count))
    assert first.changed_T.tolist() == [False, False, True]
    kept = [name for name, was_kept in zip(first.names, first.kept_TP[-1], strict=True) if was_kept]
    assert kept == ["skip(c1)"]


def test_shown_are_the_leaders_and_what_was_ever_kept() -> None:
    once = pair_of(0, "sep_3x3_twice")
    leaders = {pair_of(1, name): 2.0 for name in ("skip", "dil_3x3_r2", "dil_5x5_r2")}
    best = {pair_of(0, "max_pool_3x3"): 3.0}
    first, *_ = node_histories(SPACE, CELL, scores_of({once: 3.0}, {**leaders, **best}))
    expected = {*leaders, *best, once}
    assert {first.pairs[at] for at in first.shown} == expected
    # A single candidate left would be no mean of others.
    most = [{pair: 5.0} for pair in first.pairs[4:]]
    first, *_ = node_histories(SPACE, CELL, scores_of(*most))
    assert first.shown == list(range(len(first.pairs)))


def test_history_is_drawn_with_each_nodes_choice() -> None:
    scores = scores_of({}, {pair_of(0, "dil_3x3_r2"): 2.0})
    text = plot_choice_history(SPACE, [1, 2], {CELL: scores}).render("svg").decode()
    assert "<!-- n1: dil_3x3_r2(c0) -->" in text
    first = node_histories(SPACE, CELL, scores)[0]
    assert f"<!-- n1: mean of {len(first.pairs) - len(first.shown)} others -->" in text
    assert text.count("<!-- times an even share -->") == 1
    assert "<!-- epoch -->" in text

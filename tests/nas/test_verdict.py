"""What a search is said to be worth."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.nas.coverage import Decision
from nasface.nas.verdict import judge

SURE = Decision("c3", "n1", candidates=10, entropy=0.4, margin=0.5, least=100, most=200)
OPEN = replace(SURE, node="n2", entropy=0.999, margin=0.0001)


def test_choices_far_ahead_are_decided() -> None:
    verdict = judge([SURE, replace(SURE, node="n2")])
    assert str(verdict) == "decided: all 2 choices"
    assert not verdict.is_undecided
    assert verdict.advice == ()


@pytest.mark.parametrize(("margin", "open_choices"), [(0.0099, 1), (0.0101, 0)])
def test_a_lead_counts_in_even_shares(margin: float, open_choices: int) -> None:
    assert judge([replace(SURE, margin=margin)]).open_choices == open_choices


def test_half_of_the_choices_open_is_undecided() -> None:
    third = replace(SURE, node="n3")
    assert str(judge([SURE, OPEN])).startswith("undecided: close to random; 1 of 2 choices")
    assert str(judge([SURE, OPEN, third])).startswith("partly decided; 1 of 3 choices")


def test_a_choice_that_changed_late_is_open_once() -> None:
    verdict = judge([SURE, OPEN], {("c3", "n1"), ("c3", "n2"), ("gone", "n1")}, epochs=2)
    assert (verdict.open_choices, verdict.close, verdict.changed) == (2, 1, 2)
    assert "2 changed in the last 2 epochs" in str(verdict)


def test_a_rule_has_no_edges_to_change() -> None:
    assert judge([replace(SURE, what="combine")], {("c3", "n1")}).open_choices == 0


def test_advice_names_what_was_hardly_trained() -> None:
    assert "in 3 steps only" in judge([replace(OPEN, least=3)]).advice[0]
    assert not any("steps only" in each for each in judge([OPEN]).advice)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_more_lead_never_makes_a_search_less_decided(margins: list[float]) -> None:
    rows = [replace(SURE, node=f"n{at}", margin=each) for at, each in enumerate(margins)]
    more = [replace(each, margin=min(1.0, each.margin + 0.05)) for each in rows]
    assert judge(more).open_choices <= judge(rows).open_choices


def test_no_choice_at_all_is_decided() -> None:
    assert str(judge([])) == "decided: all 0 choices"

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nasface.inference.tta import View, box_voting, filter_by_size, views_of
from nasface.structures import Detections


def found(*rows: Sequence[float]) -> Detections:
    values = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    return Detections(values[:, :4], values[:, 4])


def test_presets_of_one_or_two_views() -> None:
    assert views_of("original", 480, 640, None) == [View(1.0)]
    assert views_of("original", 500, 250, 1000) == [View(2.0)]
    assert views_of("vga", 480, 1280, None) == [View(0.5)]
    assert views_of("flip", 100, 100, 50) == [View(0.5), View(0.5, flip=True)]


def test_octaves_of_a_large_photograph() -> None:
    assert views_of("octaves", 480, 640, None) == [View(1.0)]
    assert views_of("octaves", 2000, 1500, 600) == [View(0.3)]
    assert len(views_of("octaves", 1050, 1050, 640)) == 1  # 640 / 1050 * 1050 is above 640
    fine, middle, coarse = views_of("octaves", 1200, 1600, None)
    assert (fine.scale, fine.above, fine.below) == (1.0, 0.0, 200.0)
    assert (middle.scale, middle.above, middle.below) == (0.5, 60.0, 400.0)
    assert (coarse.scale, coarse.above, coarse.below) == (0.25, 120.0, math.inf)
    assert not any(view.flip for view in (fine, middle, coarse))


@given(
    st.integers(1, 20000),
    st.integers(1, 20000),
    st.one_of(st.none(), st.integers(32, 5000)),
    st.floats(0.5, 2e4),
    st.floats(1, 20),
)
def test_octaves_halve_to_640_and_answer_for_faces_of_all_sizes(
    height: int, width: int, longer_side: int | None, side: float, aspect: float
) -> None:
    views = views_of("octaves", height, width, longer_side)
    longest = max(height, width)
    seen = longer_side or longest
    assert views[0].scale * longest == pytest.approx(seen)
    assert len(views) == 1 + next(at for at in range(20) if seen <= 640 * 2**at)
    assert [each.scale for each in views] == [views[0].scale / 2**at for at in range(len(views))]
    face = found((0, 0, side, side * aspect, 0.5))
    assert any(len(filter_by_size(face, view).scores_N) for view in views)


def test_the_pyramid_of_a_usual_photograph() -> None:
    views = views_of("pyramid", 768, 1024, None)
    assert [(view.scale, view.flip) for view in views[:2]] == [(1, False), (1, True)]
    shrunk = {view.scale for view in views if view.above == 30}
    enlarged = [view.scale for view in views if view.below == 100]
    assert shrunk == {0.25, 0.5, 0.75}
    assert enlarged == [1.25, 1.5, 1.75, 2.0, 2.25, 3.0]


@given(st.integers(1, 20000), st.integers(1, 20000))
def test_no_view_of_a_pyramid_is_too_large(height: int, width: int) -> None:
    for view in views_of("pyramid", height, width, None):
        assert 0 < view.scale <= 3
        # A quarter of the size is looked at in any case.
        if view.scale != 0.25:
            assert view.scale**2 * height * width <= 2**31 / 200 * (1 + 1e-9)


def test_sizes_that_a_view_answers_for() -> None:
    boxes = found(
        (0, 0, 20, 31, 0.9), (0, 0, 30, 30, 0.8), (0, 0, 99, 300, 0.7), (0, 0, 100, 100, 0.6)
    )
    assert filter_by_size(boxes, View(0.5, above=30)).scores_N.tolist() == pytest.approx(
        [0.9, 0.7, 0.6]
    )
    assert filter_by_size(boxes, View(2, below=100)).scores_N.tolist() == pytest.approx(
        [0.9, 0.8, 0.7]
    )


def test_a_group_is_merged_by_score_and_a_lone_box_dropped() -> None:
    merged = box_voting(found((0, 0, 10, 10, 0.5), (2, 0, 12, 10, 1.0), (50, 50, 60, 60, 0.9)), 10)
    torch.testing.assert_close(merged.boxes_N4, torch.tensor([[4 / 3, 0, 34 / 3, 10]]))
    assert merged.scores_N.tolist() == [1.0]
    assert len(box_voting(found(), 10)) == 0
    assert len(box_voting(found((0, 0, 5, 5, 0.5)), 10)) == 0


def literal_vote(rows: list[list[float]]) -> list[list[float]]:
    """Box voting in loops over lists."""
    left = sorted(rows, key=lambda row: -row[4])
    result = []
    while left:
        best = left[0]

        def overlap(row: list[float], best: list[float] = best) -> float:
            wide = min(row[2], best[2]) - max(row[0], best[0])
            high = min(row[3], best[3]) - max(row[1], best[1])
            shared = max(wide, 0) * max(high, 0)
            areas = [(r[2] - r[0]) * (r[3] - r[1]) for r in (row, best)]
            return shared / (sum(areas) - shared)

        group = [row for row in left if overlap(row) >= 0.3]
        left = [row for row in left if overlap(row) < 0.3]
        if len(group) > 1:
            total = sum(row[4] for row in group)
            mean = [sum(row[at] * row[4] for row in group) / total for at in range(4)]
            result.append([*mean, best[4]])
    return result


corner, side = st.integers(0, 30), st.integers(1, 20)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(corner, corner, side, side), max_size=12), st.randoms())
def test_voting_as_written_out(boxes: list[tuple[int, int, int, int]], random: Random) -> None:
    scores = random.sample([at / 64 for at in range(1, 64)], len(boxes))
    rows = [[x, y, x + w, y + h, s] for (x, y, w, h), s in zip(boxes, scores, strict=True)]
    merged = box_voting(found(*rows), 750)
    expected = literal_vote(rows)
    assert len(merged) == len(expected)
    got = torch.cat([merged.boxes_N4, merged.scores_N[:, None]], 1).numpy()
    np.testing.assert_allclose(got, np.reshape(expected, (-1, 5)), rtol=1e-4)
    assert math.isfinite(got.sum())
    assert len(box_voting(found(*rows), 1)) <= 1

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasface.arrays import Flags, Floats
from nasface.metrics.average_precision import (
    AveragePrecision,
    average_precision,
    average_precision_by_height,
)

Box = tuple[int, int, int, int]
Found = list[tuple[Box, float]]
Faces = list[tuple[Box, bool]]

FACE = (0, 0, 10, 10)
NEXT = (20, 0, 30, 10)
NOWHERE = (70, 70, 80, 80)


@st.composite
def grid_boxes(draw: st.DrawFn) -> Box:
    x1, y1 = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    return x1, y1, x1 + draw(st.integers(0, 4)), y1 + draw(st.integers(0, 4))


images = st.lists(
    st.tuples(
        st.lists(st.tuples(grid_boxes(), st.sampled_from([0.2, 0.5, 0.7, 0.9])), max_size=8),
        st.lists(st.tuples(grid_boxes(), st.booleans()), max_size=5),
    ),
    max_size=3,
)


def found(*scored: tuple[Box, float]) -> tuple[Floats, Floats]:
    boxes = np.array([box for box, _ in scored], np.float32).reshape(-1, 4)
    return boxes, np.array([score for _, score in scored], np.float32)


def faces(*flagged: tuple[Box, bool]) -> tuple[Floats, Flags]:
    boxes = np.array([box for box, _ in flagged], np.float32).reshape(-1, 4)
    return boxes, np.array([ignore for _, ignore in flagged], bool)


def iou(a: Box, b: Box) -> Fraction:
    def area(box: Box) -> int:
        return max(0, box[2] - box[0]) * max(0, box[3] - box[1])

    shared = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    union = area(a) + area(b) - shared
    return Fraction(shared, union) if union else Fraction(0)


def literal(scene: list[tuple[Found, Faces]]) -> tuple[list[bool], int]:
    """Whether each counted detection is a hit, by falling score over all images, and the faces."""
    ranked = [(score, image, box) for image, (each, _) in enumerate(scene) for box, score in each]
    ranked.sort(key=lambda entry: -entry[0])
    taken: set[tuple[int, int]] = set()
    hits = []
    for _, image, box in ranked:
        overlaps = [iou(box, face) for face, _ in scene[image][1]]
        ignored = [flag for _, flag in scene[image][1]]
        free = [k for k in range(len(overlaps)) if not ignored[k] and (image, k) not in taken]
        free = [k for k in free if overlaps[k] >= Fraction(1, 2)]
        if free:
            taken.add((image, max(free, key=lambda k: overlaps[k])))
            hits.append(True)
            continue
        closest = [k for k in range(len(overlaps)) if overlaps[k] == max(overlaps)]
        if not any(ignored[k] and overlaps[k] >= Fraction(1, 2) for k in closest):
            hits.append(False)
    return hits, sum(not flag for _, each in scene for _, flag in each)


def literal_ap(hits: list[bool], total: int) -> float:
    """The mean over the faces of the best precision at which so many were found."""
    best = []
    for wanted in range(1, total + 1):
        ends = [n for n in range(1, len(hits) + 1) if sum(hits[:n]) >= wanted]
        best.append(max((Fraction(sum(hits[:n]), n) for n in ends), default=Fraction(0)))
    return float(sum(best) / total)


def score(scene: list[tuple[Found, Faces]]) -> AveragePrecision:
    return average_precision([found(*a) for a, _ in scene], [faces(*b) for _, b in scene])


@settings(max_examples=200, deadline=None)
@given(images)
def test_equals_the_literal_version(scene: list[tuple[Found, Faces]]) -> None:
    result = score(scene)
    hits, total = literal(scene)
    assert (result.faces, result.detections, result.true_positives) == (total, len(hits), sum(hits))
    counts = np.array([sum(hits[: n + 1]) for n in range(len(hits))])
    np.testing.assert_allclose(result.precision, counts / np.arange(1, len(hits) + 1))
    assert np.all(np.diff(result.scores) <= 0)
    if total:
        np.testing.assert_allclose(result.recall, counts / total)
        assert result.ap == pytest.approx(literal_ap(hits, total))
        assert 0 <= result.ap <= 1
    else:
        assert math.isnan(result.ap)
        assert np.isnan(result.recall).all()


def test_worked_example() -> None:
    # Hit, miss, hit, hit of four faces: precision 1, 1/2, 2/3, 3/4, whose envelope is
    # 1, 3/4, 3/4, 3/4 at recall 1/4, 1/4, 2/4, 3/4.
    first = [(FACE, 0.9), (NOWHERE, 0.8), (NEXT, 0.6)], [(FACE, False), (NEXT, False)]
    second = [(FACE, 0.7)], [(FACE, False), (NEXT, False)]
    result = score([first, second])
    np.testing.assert_allclose(result.precision, [1, 1 / 2, 2 / 3, 3 / 4])
    np.testing.assert_allclose(result.recall, [1 / 4, 1 / 4, 2 / 4, 3 / 4])
    np.testing.assert_allclose(result.scores, [0.9, 0.8, 0.7, 0.6], rtol=1e-6)
    assert result.ap == pytest.approx((1 + 3 / 4 + 3 / 4) / 4)
    assert (result.faces, result.detections, result.true_positives) == (4, 4, 3)


def test_second_detection_of_a_face_is_a_false_positive() -> None:
    result = score([([(FACE, 0.9), (FACE, 0.8), (NEXT, 0.7)], [(FACE, False), (NEXT, False)])])
    np.testing.assert_allclose(result.precision, [1, 1 / 2, 2 / 3])
    assert result.ap == pytest.approx((1 + 2 / 3) / 2)


def test_second_detection_stays_one_beside_an_ignored_face() -> None:
    beside = (0, 0, 10, 6)  # IoU .6 with the face
    scene = [([(FACE, 0.9), (FACE, 0.8)], [(FACE, False), (beside, True)])]
    assert score(scene).detections == 2
    closer = [([(FACE, 0.9), (beside, 0.8)], [(FACE, False), (beside, True)])]
    assert score(closer).detections == 1


def test_detections_of_ignored_faces_leave_the_count() -> None:
    scene = [([(NEXT, 0.9), (NEXT, 0.8), (FACE, 0.7)], [(FACE, False), (NEXT, True)])]
    result = score(scene)
    assert (result.faces, result.detections, result.ap) == (1, 1, 1.0)


def test_a_detection_between_two_faces_takes_the_free_one() -> None:
    left, right = (0, 0, 10, 10), (2, 0, 12, 10)
    result = score([([(left, 0.9), ((0, 0, 11, 10), 0.8)], [(left, False), (right, False)])])
    assert result.true_positives == 2


def test_overlap_equal_to_the_threshold_is_enough() -> None:
    half = (0, 0, 10, 5)
    boxes, truth = [found((half, 0.9))], [faces((FACE, False))]
    assert average_precision(boxes, truth, 0.5).ap == 1
    assert average_precision(boxes, truth, 0.51).ap == 0


def test_nothing_found_and_nothing_to_find() -> None:
    assert score([([], [(FACE, False)])]).ap == 0
    scenes: list[list[tuple[Found, Faces]]] = [
        [],
        [([], [])],
        [([(FACE, 0.5)], [])],
        [([(FACE, 0.5)], [(NEXT, True)])],
    ]
    for scene in scenes:
        result = score(scene)
        assert math.isnan(result.ap)
        assert result.faces == result.true_positives == 0


def test_bands_ignore_the_faces_of_other_heights() -> None:
    small, large = (0, 0, 10, 10), (100, 100, 200, 200)
    truth = [faces((small, False), (large, False), (NOWHERE, True))]
    boxes = [found((small, 0.9), ((300, 0, 310, 10), 0.8), (large, 0.7))]
    result = average_precision_by_height(boxes, truth)
    assert list(result) == ["below 16 px", "16 to 48 px", "48 px and more"]
    below, middle, above = result.values()
    assert (below.faces, middle.faces, above.faces) == (1, 0, 1)
    assert below.ap == 1
    assert math.isnan(middle.ap)
    assert above.ap == 0.5  # the false positive comes first
    assert truth[0][1].tolist() == [False, False, True]


@pytest.mark.parametrize(("height", "band"), [(0, 0), (15, 0), (16, 1), (47, 1), (48, 2), (900, 2)])
def test_a_band_begins_with_its_lower_bound(height: int, band: int) -> None:
    box = (0, 500, 10, 500 + height)
    results = average_precision_by_height([found((box, 0.9))], [faces((box, False))])
    assert [each.faces for each in results.values()] == [int(at == band) for at in range(3)]


def test_faces_far_below_a_pixel_overlap_as_others_do() -> None:
    boxes, truth = [found((FACE, 0.9))], [faces((FACE, False))]
    small = [(boxes[0][0] / 1000, boxes[0][1])], [(truth[0][0] / 1000, truth[0][1])]
    assert average_precision(*small).ap == 1


def test_equal_scores_of_many_stay_in_the_order_given() -> None:
    """Hits and misses in turn, all of one score: the order is that of the precision."""
    one = [(FACE, 0.5), (NOWHERE, 0.5)]
    result = score([(one, [(FACE, False)]) for _ in range(40)])
    hits = np.cumsum(np.tile([1, 0], 40))
    np.testing.assert_array_equal(result.precision, hits / np.arange(1, 81))
    first = [((0, 0, 10, 10 - at % 2), 0.5) for at in range(40)]
    assert score([(first, [(FACE, False)])]).precision[0] == 1


def test_few_scores_of_many_detections_as_in_the_literal_version() -> None:
    """Two scores in one image: who takes a face is the first of those that share the better one."""
    generator = np.random.default_rng(0)
    places = [(20 * at, 0, 20 * at + 10, 10) for at in range(6)]
    boxes = [(x, y, x2, y2 - int(generator.integers(5))) for x, y, x2, y2 in places * 12]
    scored = [(box, float(generator.choice([0.25, 0.75]))) for box in boxes]
    scene = [(scored, [(place, False) for place in places])]
    hits, total = literal(scene)
    result = score(scene)
    assert total == result.true_positives == 6
    np.testing.assert_array_equal(result.precision, np.cumsum(hits) / np.arange(1, len(hits) + 1))


def test_lengths_must_agree() -> None:
    boxes, scores = found((FACE, 0.5))
    with pytest.raises(ValueError, match="zip"):
        average_precision([(boxes, scores)], [])
    with pytest.raises(ValueError, match="1 boxes with 0 scores"):
        average_precision([(boxes, scores[:0])], [faces()])
    with pytest.raises(ValueError, match="1 faces with 0 flags"):
        average_precision([found()], [(boxes, np.empty(0, bool))])

"""The protocol of FDDB against itself in loops, and against the official program's output."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.fddb import FddbImage, read_fddb_detections, read_fddb_truth
from nasface.metrics.fddb import boxes_to_ellipses, overlaps_MN, score_fddb

SIZE = (60, 80)


def scored(found: dict[str, np.ndarray]) -> dict[str, ScoredBoxes]:
    """Rows ``x y w h score`` or ellipses with a score, as the protocol takes them."""
    return {name: ScoredBoxes.of_rows(rows) for name, rows in found.items()}


def overlaps(faces: np.ndarray, rows: np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    return overlaps_MN(faces, ScoredBoxes.of_rows(rows).boxes_N4, size)


def pixels(row: list[float], size: tuple[int, int] = SIZE) -> set[tuple[int, int]]:
    """Of a rectangle ``x y w h``, borders included, one at a time."""
    x1, y1, x2, y2 = (round(v) for v in (row[0], row[1], row[0] + row[2], row[1] + row[3]))
    inside = itertools.product(range(size[0]), range(size[1]))
    return {(y, x) for y, x in inside if x1 <= x <= x2 and y1 <= y <= y2}


def test_rectangles_cover_both_borders_and_end_at_the_image() -> None:
    disc = np.array([[10.0, 10.0, 0.0, 20.0, 20.0]])
    rows: list[list[float]] = [
        [5, 5, 10, 12, 1],
        [-9, -9, 30, 30, 1],
        [14.5, 15.5, 40, 90, 1],
        [70, 50, 30, 30, 1],
    ]
    small = (40, 50)
    face = {(y, x) for y in range(40) for x in range(50) if math.hypot(x - 20, y - 20) <= 10.4}
    for row in rows:
        other = pixels(row, small)
        expected = len(face & other) / len(face | other)
        assert overlaps(disc, np.array([row]), small)[0, 0] == pytest.approx(expected, abs=0.02)


def test_a_large_ellipse_is_whole() -> None:
    """Turned by half a circle, it is itself."""
    ellipse = np.array([[180.0, 120.0, 0.3, 225.0, 225.0, 0.5]])
    ellipse[:, 2] += math.pi
    assert overlaps(np.array([[180.0, 120.0, 0.3, 225.0, 225.0]]), ellipse, (450, 450)) > 0.999


@pytest.mark.parametrize("degrees", [0, 30, 90, -60])
def test_an_ellipse_lies_where_its_equation_says(degrees: float) -> None:
    angle = math.radians(degrees)
    row = np.array([[25.0, 12.0, angle, 40.0, 30.0]])
    y, x = np.mgrid[:60, :80]
    along = (x - 40) * math.cos(angle) + (y - 30) * math.sin(angle)
    across = (y - 30) * math.cos(angle) - (x - 40) * math.sin(angle)
    inside = (along / 25) ** 2 + (across / 12) ** 2 <= 1
    whole = np.array([[-1.0, -1.0, 100.0, 100.0, 1.0]])
    # Against the whole image the overlap is the share of the ellipse in it.
    drawn = overlaps(row, whole, SIZE)[0, 0] * inside.size
    assert drawn == pytest.approx(inside.sum(), rel=0.08)
    assert overlaps(row, np.array([[*row[0], 0.5]]), SIZE)[0, 0] == 1
    apart = np.array([[25.0, 12.0, angle + math.pi / 2, 40.0, 30.0, 0.5]])
    assert overlaps(row, apart, SIZE)[0, 0] < 0.7


def literal_rates(
    images: list[FddbImage], found: dict[str, np.ndarray], threshold: float
) -> tuple[float, float, int]:
    """Both rates and the false positives of detections from a score on, over all matchings."""
    disc = cont = wrong = faces = 0.0
    for image in images:
        rows = found.get(image.name, np.empty((0, 5)))
        rows = rows[rows[:, 4] >= threshold]
        shared = overlaps(image.ellipses_M5, rows)
        faces += len(image.ellipses_M5)
        if len(shared) > len(rows):
            shared = shared.T
        matchings = itertools.permutations(range(shared.shape[1]), len(shared))
        pairs = ([shared[a, b] for a, b in enumerate(each)] for each in matchings)
        best = max(pairs, key=sum)
        hits = sum(value > 0.5 for value in best)
        disc, cont, wrong = disc + hits, cont + sum(best), wrong + len(rows) - hits
    return disc / faces, cont / faces, int(wrong)


place = st.integers(5, 40)
ellipse = st.tuples(st.integers(4, 12), st.integers(4, 12), st.just(0.3), place, place)
rectangle = st.tuples(
    place, place, st.integers(4, 25), st.integers(4, 25), st.sampled_from([1, 2, 3])
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(ellipse, max_size=3), st.none() | st.lists(rectangle, max_size=4)),
        min_size=1,
        max_size=3,
    )
)
def test_as_the_protocol_written_out(case: list[Any]) -> None:
    case = [([(8, 6, 0.3, 20, 20)], []), *case]
    images = [
        FddbImage(str(at), 1, np.array(faces, float).reshape(-1, 5))
        for at, (faces, _) in enumerate(case)
    ]
    found = {
        str(at): np.array(rows, float).reshape(-1, 5)
        for at, (_, rows) in enumerate(case)
        if rows is not None
    }
    result = score_fddb(images, scored(found), dict.fromkeys(found, SIZE))
    every = sorted({row[4] for rows in found.values() for row in rows.tolist()}, reverse=True)
    assert result.scores.tolist() == every
    for at, score in enumerate(every):
        disc, cont, wrong = literal_rates(images, found, score)
        assert result.discontinuous[at] == pytest.approx(disc, abs=1e-12)
        assert result.continuous[at] == pytest.approx(cont, abs=1e-12)
        assert result.false_positives[at] == wrong
    assert result.missing == tuple(str(at) for at, (_, rows) in enumerate(case) if rows is None)


def test_rates_are_read_at_no_more_false_positives_than_asked() -> None:
    face = np.array([[10.0, 10.0, 0.0, 20.0, 20.0], [10.0, 10.0, 0.0, 60.0, 20.0]])
    hit, other = [10, 10, 20, 20], [50, 10, 20, 20]
    rows = np.array([[*hit, 0.9], [0, 50, 5, 5, 0.8], [0, 50, 5, 5, 0.7], [*other, 0.6]])
    result = score_fddb([FddbImage("a", 1, face)], scored({"a": rows}))
    assert result.false_positives.tolist() == [0, 1, 2, 2]
    assert [result.rates_at(n)[0] for n in (0, 1, 2, 9)] == [0.5, 0.5, 1.0, 1.0]
    assert score_fddb([FddbImage("a", 1, face)], {}).rates_at(100) == (0.0, 0.0)
    with pytest.raises(ValueError, match="no annotated face"):
        score_fddb([FddbImage("a", 1, face[:0])], {})


def test_what_has_no_place_is_counted() -> None:
    face = np.array([[10.0, 10.0, 0.0, 20.0, 20.0]])
    rows = np.array([[10.0, 10, 20, 20, 0.9], [60, 60, 9, 9, 0.8]])
    images = [FddbImage(name, 1, face) for name in ("a", "b", "c")]
    result = score_fddb(images, scored({"a": rows, "c": rows[:0], "d": rows[:1]}))
    assert (result.images, result.faces, result.detections) == (3, 3, 2)
    assert (result.missing, result.unknown) == (("b",), ("d",))


def test_half_of_the_pixels_is_not_enough() -> None:
    """A face of no radius is one pixel, the detection two."""
    point = np.array([[0.0, 0.0, 0.0, 20.0, 20.0]])
    two = np.array([[20.0, 20, 1, 0, 0.9]])
    assert overlaps(point, two, SIZE).tolist() == [[0.5]]
    result = score_fddb([FddbImage("a", 1, point)], scored({"a": two}))
    assert (result.discontinuous[0], result.continuous[0]) == (0, 0.5)


def test_only_best_partners_that_overlap_enough_are_fitted() -> None:
    """Beside each face of the rule lie two that would bend it: one that its detection overlaps less
    than half, and one that shares the detection of a better face."""
    images, found = [], {}
    for fold in range(1, 11):
        x = y = 120.0 + fold
        # The same ellipse, told from either of its axes.
        radii = [40.0, 30.0, math.pi / 2] if fold % 2 else [30.0, 40.0, 0.0]
        right, shifted, apart = ([*radii, x + more, y] for more in (0, 9, 200))
        boxes = [[x - 30, y - 40, 60, 80, 0.9], [x + 140, y - 80, 60, 80, 0.8]]
        for name, faces in (("right", [shifted, right, apart]), ("bare", [])):
            images.append(FddbImage(f"{fold}/{name}", fold, np.array(faces).reshape(-1, 5)))
            found[f"{fold}/{name}"] = np.array(boxes)
    images.append(FddbImage("missing", 1, np.array([right])))
    images.append(FddbImage("empty", 1, np.array([right])))
    found["empty"] = np.empty((0, 5))
    fitted = boxes_to_ellipses(images, scored(found))
    assert sorted(fitted) == sorted(found)
    # With the pairs of the rule alone, the ellipse of a box is the one inscribed.
    for name, rows in found.items():
        middle = rows[:, :2] + rows[:, 2:4] / 2
        np.testing.assert_allclose(fitted[name].boxes_N4[:, 3:5], middle, err_msg=name)
        inscribed = np.tile([40.0, 30], (len(rows), 1))
        np.testing.assert_allclose(fitted[name].boxes_N4[:, :2], inscribed, err_msg=name)


def test_fitted_ellipses_undo_a_constant_difference_between_boxes_and_ellipses() -> None:
    generator = np.random.default_rng(0)
    images, found = [], {}
    for fold in range(1, 11):
        for at in range(5):
            radius = generator.uniform(40, 80)
            x, y = generator.uniform(150, 300, 2)
            faces = np.array([[1.3 * radius, radius, math.pi / 2, x, y]])
            images.append(FddbImage(f"{fold}/{at}", fold, faces))
            side = 1.8 * radius
            found[f"{fold}/{at}"] = np.array([[x - side / 2, y - 0.4 * side, side, side, 0.9]])
    before = score_fddb(images, scored(found))
    after = score_fddb(images, boxes_to_ellipses(images, scored(found)))
    assert before.continuous[-1] < 0.8
    assert after.continuous[-1] > 0.97


def test_a_fold_is_not_fitted_on_itself() -> None:
    face = np.array([[50.0, 40.0, math.pi / 2, 100.0, 100.0]])
    box = np.array([[70.0, 70.0, 60.0, 60.0, 0.5]])
    alone = boxes_to_ellipses([FddbImage("a", 1, face)], scored({"a": box}))["a"].as_rows()
    # No other fold to learn from: the ellipse inscribed in the box.
    np.testing.assert_allclose(alone, [[30, 30, math.pi / 2, 100, 100, 0.5]])


@pytest.mark.parametrize("detector", ["MTCNN", "jfda"])
def test_the_official_programs_curves(detector: str, nasface_data: Path) -> None:
    """Image borders are not known here: regions are cut at 450 pixels."""
    root = nasface_data / "fddb"
    outputs = root / "reference_outputs"
    truth = read_fddb_truth(root)
    found = read_fddb_detections(outputs / detector, [image.name for image in truth])
    result = score_fddb(truth, found)
    disc = np.loadtxt(outputs / f"{detector}DiscROC.txt")
    cont = np.loadtxt(outputs / f"{detector}ContROC.txt")
    # From the lowest score up; the official curve ends with a point without detections.
    assert len(disc) == len(cont) == len(result.scores) + 1
    np.testing.assert_allclose(result.scores[::-1], disc[:-1, 2], rtol=1e-5)
    np.testing.assert_allclose(result.discontinuous[::-1], disc[:-1, 0], atol=0.0005)
    np.testing.assert_allclose(result.continuous[::-1], cont[:-1, 0], atol=0.001)
    assert np.abs(result.false_positives[::-1] - disc[:-1, 1]).max() <= 2

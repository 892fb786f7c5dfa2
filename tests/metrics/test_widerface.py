"""The fast scorer against the protocol written out in loops, and against published figures."""

import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasface.annotations.detections import ScoredBoxes, read_detections
from nasface.annotations.widerface import ATTRIBUTES
from nasface.annotations.widerface_truth import WiderGroundTruth, read_ground_truth, select_images
from nasface.metrics.widerface import HEIGHTS, score_wider

Face = tuple[float, float, float, float]
Case = tuple[list[WiderGroundTruth], dict[str, np.ndarray]]


def scored(found: dict[str, np.ndarray]) -> dict[str, ScoredBoxes]:
    """Rows ``x y w h score`` as the protocol takes them."""
    return {name: ScoredBoxes.of_rows(rows) for name, rows in found.items()}


def corners(boxes: np.ndarray) -> np.ndarray:
    """Boxes ``x y w h`` as ``x1 y1 x2 y2``."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def sides(boxes: np.ndarray) -> np.ndarray:
    """Boxes ``x1 y1 x2 y2`` as ``x y w h``."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def image(name: str, faces: list[Face], asked: dict[str, list[bool]]) -> WiderGroundTruth:
    zeros = np.zeros(len(faces), np.int64)
    return WiderGroundTruth(
        name,
        corners(np.array(faces, float).reshape(-1, 4)),
        dict.fromkeys(ATTRIBUTES, zeros),
        {key: np.array(flags, bool) for key, flags in asked.items()},
    )


def literal_overlap(a: list[float], b: list[float]) -> float:
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]) + 1
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]) + 1
    if wide <= 0 or high <= 0:
        return 0.0
    shared = wide * high
    return shared / ((a[2] + 1) * (a[3] + 1) + (b[2] + 1) * (b[3] + 1) - shared)


def literal_ap(truth: list[WiderGroundTruth], found: dict[str, np.ndarray], key: str) -> float:
    """The official program, one comparison at a time."""
    scores = [row[4] for each in truth for row in found.get(each.name, [])]
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    if low == high:
        low -= 1
    counted = [0] * 1000
    recalled = [0] * 1000
    asked_for = 0
    for each in truth:
        asked = each.sets[key].tolist()
        asked_for += sum(asked)
        rows = sorted(found.get(each.name, np.empty((0, 5))).tolist(), key=lambda row: -row[4])
        state = [0] * len(asked)
        for row in rows:
            overlaps = [literal_overlap(row[:4], face) for face in sides(each.boxes_M4).tolist()]
            best = max(range(len(overlaps)), key=overlaps.__getitem__) if overlaps else -1
            hit, counts = False, True
            if best >= 0 and overlaps[best] >= 0.5:
                if not asked[best]:
                    counts = False
                elif state[best] == 0:
                    state[best], hit = 1, True
            for k in range(1000):
                if (row[4] - low) / (high - low) >= 1 - (k + 1) / 1000:
                    counted[k] += counts
                    recalled[k] += hit
    if not asked_for:
        return math.nan
    recall = [0.0, *(hits / asked_for for hits in recalled), 1.0]
    precision = [0.0, *(h / c if c else 0.0 for h, c in zip(recalled, counted, strict=True)), 0.0]
    for at in range(len(precision) - 2, -1, -1):
        precision[at] = max(precision[at], precision[at + 1])
    return sum((recall[i + 1] - recall[i]) * precision[i + 1] for i in range(len(recall) - 1))


coordinate = st.integers(0, 12).map(float)
side = st.sampled_from([0.0, 3.0, 4.0, 8.0])
box = st.tuples(coordinate, coordinate, side, side)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    truth, found = [], {}
    for at in range(draw(st.integers(1, 4))):
        faces = draw(st.lists(box, max_size=4))
        flags = st.lists(st.booleans(), min_size=len(faces), max_size=len(faces))
        name = f"{at % 2}--Event/{at}"
        truth.append(image(name, faces, {"easy": draw(flags), "hard": draw(flags)}))
        if draw(st.booleans()):
            place = st.sampled_from(faces) | box if faces else box  # or hardly any face is found
            score = st.sampled_from([0.1, 0.25, 0.5, 1.0])
            rows = draw(st.lists(st.tuples(place, score), max_size=6))
            found[name] = np.array([[*b, s] for b, s in rows], float).reshape(-1, 5)
    return truth, found


@settings(max_examples=150, deadline=None)
@given(cases())
def test_as_the_protocol_written_out(case: Case) -> None:
    truth, found = case
    result = score_wider(truth, scored(found))
    for key, each in result.sets.items():
        np.testing.assert_allclose(each.ap, literal_ap(truth, found, key), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(case: Case, random: Random) -> None:
    truth, found = case
    shuffled = {}
    for name in random.sample(list(found), len(found)):
        shuffled[name] = found[name][random.sample(range(len(found[name])), len(found[name]))]
    before, after = score_wider(truth, scored(found)), score_wider(truth, scored(shuffled))
    for key, each in before.sets.items():
        np.testing.assert_array_equal(each.precision, after.sets[key].precision)
        np.testing.assert_array_equal(each.recall, after.sets[key].recall)


@settings(max_examples=50, deadline=None)
@given(cases())
def test_a_value_is_scored_as_a_set_of_its_own(case: Case) -> None:
    """Bands of height as sets; an event as the data set of its images, scores scaled over all."""
    truth, found = case
    result = score_wider(truth, scored(found))
    for name, (low, high) in HEIGHTS.items():
        banded = [
            WiderGroundTruth(
                each.name,
                each.boxes_M4,
                each.attributes,
                {
                    "b": each.sets["hard"]
                    & (sides(each.boxes_M4)[:, 3] >= low)
                    & (sides(each.boxes_M4)[:, 3] < high)
                },
            )
            for each in truth
        ]
        np.testing.assert_allclose(result.by["height"][name].ap, literal_ap(banded, found, "b"))
    # With the extreme scores in every image, an event alone is scaled as it is among all.
    ends = np.array([[500, 500, 3, 3, 0.0], [600, 600, 3, 3, 1.0]])
    full = {each.name: np.concatenate([found.get(each.name, ends[:0]), ends]) for each in truth}
    whole = score_wider(truth, scored(full))
    for event, each in whole.by["event"].items():
        alone = [image for image in truth if image.name.startswith(event)]
        np.testing.assert_allclose(each.ap, literal_ap(alone, full, "hard"), atol=1e-12)


BANDS = {
    "below 10 px": (0, 9),
    "10 to 20 px": (10, 19),
    "20 to 50 px": (20, 49),
    "50 to 300 px": (50, 299),
    "300 px and more": (300, 900),
}
LABELS = {
    "blur": ["clear", "normal", "heavy"],
    "occlusion": ["none", "partial", "heavy"],
    "pose": ["typical", "atypical"],
    "illumination": ["normal", "extreme"],
}


def test_faces_are_grouped_by_what_the_protocol_page_names() -> None:
    """A face of each height at an end of a band; labels 0, 1, 2 in turn."""
    heights = [height for ends in BANDS.values() for height in ends]
    faces: list[Face] = [(1000.0 * at, 0, 50, height) for at, height in enumerate(heights)]
    labels = {key: np.arange(10) % len(values) for key, values in LABELS.items()}
    sets = {"easy": np.zeros(10, bool), "medium": np.zeros(10, bool), "hard": np.ones(10, bool)}
    truth = [WiderGroundTruth("a/1", corners(np.array(faces)), labels, sets)]
    rows = np.array(
        [[*face, 0.5] for face, label in zip(faces, labels["blur"], strict=True) if label]
    )
    result = score_wider(truth, scored({"a/1": rows}))
    assert {name: each.faces for name, each in result.by["height"].items()} == dict.fromkeys(
        BANDS, 2
    )
    for key, values in LABELS.items():
        counts = np.bincount(labels[key])
        assert {name: each.faces for name, each in result.by[key].items()} == dict(
            zip(values, counts, strict=True)
        )
    assert [each.ap for each in result.by["blur"].values()] == [0, 1, 1]
    assert [each.faces for each in result.sets.values()] == [0, 0, 10]


def test_curves_have_an_entry_for_each_thousandth() -> None:
    faces: list[Face] = [(0, 0, 10, 10), (50, 0, 10, 10), (90, 0, 10, 10)]
    truth = [image("a/1", faces, {"hard": [True] * 3})]
    scores = (1.0, 0.5, 0.0)
    rows = np.array([[*face, score] for face, score in zip(faces, scores, strict=True)])
    hard = score_wider(truth, scored({"a/1": rows})).sets["hard"]
    # At 0.999, 0.998, ..., 0.5 (inclusive), ..., 0.
    found = [1] * 499 + [2] * 500 + [3]
    np.testing.assert_array_equal(hard.recall, np.array(found) / 3)
    np.testing.assert_array_equal(hard.precision, np.ones(1000))


def test_boxes_that_just_overlap_enough_and_boxes_of_no_pixel() -> None:
    """9 x 9 pixels beside as many, 3 further: 54 shared of 108. A width of -1 covers no pixel."""
    truth = [image("a/1", [(0, 0, 8, 8), (5, 5, -1, -1)], {"hard": [True, False]})]
    rows = np.array([[3.0, 0, 8, 8, 0.9], [40, 40, -1, -1, 0.8]])
    result = score_wider(truth, scored({"a/1": rows}))
    assert result.sets["hard"].ap == 1
    assert score_wider(truth, scored({"a/1": rows}), 0.51).sets["hard"].ap == 0


def test_what_is_missing_is_counted() -> None:
    faces: list[Face] = [(0, 0, 10, 10)]
    truth = [image(f"{e}/{n}", faces, {"hard": [True]}) for e in "ab" for n in "12"]
    row = np.array([[0, 0, 10, 10, 0.9]])
    result = score_wider(truth, scored({"a/1": row, "c/9": row}))
    assert result.missing == ("a/2", "b/1", "b/2")
    assert result.missing_events == ("b",)
    assert result.unknown == ("c/9",)
    assert result.detections == 1
    assert result.sets["hard"].ap == pytest.approx(0.25)
    assert result.by["event"]["a"].ap == pytest.approx(0.5)
    assert result.by["event"]["b"].ap == 0
    assert math.isnan(result.by["height"]["300 px and more"].ap)


def test_no_image() -> None:
    with pytest.raises(ValueError, match="no annotated image"):
        score_wider([], {})


def test_published_detections_score_as_published(nasface_data: Path) -> None:
    root = nasface_data / "widerface"
    truth = read_ground_truth(root / "ground_truth")
    archive = next((root / "detections").glob("*.tar.gz"))
    found = read_detections(archive, [image.name for image in truth])
    part = select_images(truth, root / "wider_face_split" / "wider_face_val_bbx_gt.txt")
    generator = np.random.default_rng(0)
    shuffled = {}
    for name, (boxes, scores) in found.items():
        order = generator.permutation(len(scores))
        shuffled[name] = ScoredBoxes(boxes[order], scores[order])
    for images, expected in (
        (truth, (0.932493, 0.912794, 0.829721)),
        (part, (0.971438, 0.953130, 0.885377)),
    ):
        for rows in (found, shuffled):
            sets = score_wider(images, rows).sets.values()
            np.testing.assert_allclose([each.ap for each in sets], expected, atol=1e-6)

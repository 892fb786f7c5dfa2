"""Average precision of images drawn anew, against scoring the copies one by one."""

from dataclasses import replace

import numpy as np
import pytest

from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.widerface_truth import WiderGroundTruth
from nasface.arrays import Flags, Float64
from nasface.metrics.average_precision import average_precision
from nasface.metrics.marks import ap_marks, wider_marks
from nasface.metrics.widerface import score_wider

Found = list[tuple[Float64, Float64]]
Faces = list[tuple[Float64, Flags]]


def drawn(images: int = 6, seed: int = 0) -> tuple[Found, Faces]:
    """Faces, every fifth to be ignored, and detections, some of which lie on them."""
    random = np.random.default_rng(seed)
    detections: Found = []
    faces: Faces = []
    for _ in range(images):
        count = int(random.integers(0, 5))
        corner = random.uniform(0, 80, (count, 2))
        truth = np.concatenate([corner, corner + random.uniform(10, 30, (count, 2))], axis=1)
        near = np.repeat(truth, 2, axis=0) + random.normal(0, 4, (2 * count, 4))
        far = random.uniform(0, 50, (3, 2))
        boxes = np.concatenate([near, np.concatenate([far, far + 20], axis=1)])
        detections.append((boxes, random.uniform(0, 1, len(boxes))))
        faces.append((truth, random.uniform(0, 1, count) < 0.2))
    return detections, faces


TIMES = ([1, 1, 1, 1, 1, 1], [0, 3, 1, 0, 2, 0], [6, 0, 0, 0, 0, 0], [0, 0, 1, 2, 2, 1])


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_image_drawn_twice_counts_twice(times: list[int], seed: int) -> None:
    detections, faces = drawn(seed=seed)
    copies = [at for at, count in enumerate(times) for _ in range(count)]
    expected = average_precision([detections[at] for at in copies], [faces[at] for at in copies])
    found = ap_marks(detections, faces).ap(np.array(times))
    # A tie between copies makes a step of what is a slope one by one.
    assert found == pytest.approx(expected.ap, abs=0.02, nan_ok=True)
    if max(times) == 1:
        assert found == pytest.approx(expected.ap, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("thresholds", [[], [0.9, 0.6, 0.6, 0.3], [0.5], [1.1, -1.0]])
def test_samples_at_once_are_those_one_by_one(thresholds: list[float]) -> None:
    marks = replace(ap_marks(*drawn(images=6, seed=3)), thresholds=np.array(thresholds))
    # On a threshold, too.
    marks = replace(marks, scores_K=np.round(marks.scores_K, 1))
    times = np.array([*TIMES, [0] * 6])
    assert marks.resampled(times) == pytest.approx([marks.ap(each) for each in times], nan_ok=True)
    assert np.isnan(marks.resampled(times)[-1])


@pytest.mark.parametrize("times", TIMES)
def test_the_same_by_the_protocol_of_wider_face(times: list[int]) -> None:
    """There are no ties at its thresholds, so that copies count exactly, but that a sample has
    another least and greatest score: one image without faces holds both."""
    detections, faces = drawn(seed=4)
    truth, found = [], {}
    for at, ((boxes, scores), (own, ignore)) in enumerate(zip(detections, faces, strict=True)):
        name = f"0--Event/{at}.jpg"
        truth.append(
            WiderGroundTruth(
                name=name,
                boxes_M4=own,
                sets={"easy": ~ignore, "hard": np.ones(len(own), np.bool_)},
                attributes={
                    key: np.zeros(len(own), np.int64)
                    for key in ("blur", "occlusion", "pose", "illumination")
                },
            )
        )
        found[name] = ScoredBoxes(boxes, scores)
    empty = replace(
        truth[0],
        name="0--Event/ends.jpg",
        boxes_M4=np.empty((0, 4)),
        sets={key: np.empty(0, np.bool_) for key in ("easy", "hard")},
        attributes={key: np.empty(0, np.int64) for key in truth[0].attributes},
    )
    ends = ScoredBoxes(np.array([[0.0, 0, 9, 9], [0, 0, 9, 9]]), np.array([0.0, 1.0]))
    marks = wider_marks([*truth, empty], {**found, empty.name: ends}, "easy")
    copies, boxes_of = [empty], {empty.name: ends}
    for at, count in enumerate(times):
        for copy in range(count):
            name = f"0--Event/{at}-{copy}.jpg"
            copies.append(replace(truth[at], name=name))
            boxes_of[name] = found[truth[at].name]
    expected = score_wider(copies, boxes_of).sets["easy"].ap
    assert marks.ap(np.array([*times, 1])) == pytest.approx(expected, abs=1e-12, nan_ok=True)

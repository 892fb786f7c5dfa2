import numpy as np
import pytest

from nasface.metrics.average_precision import average_precision
from nasface.metrics.error_analysis import Outcome, best_score, image_outcome, ranked

FACE, OTHER, SMALL = [0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 52, 52]
NONE = np.zeros(0, bool)


def test_an_image_with_a_hit_a_miss_a_false_positive_and_an_ignored_face() -> None:
    detections = (np.array([FACE, [60, 0, 70, 10], SMALL], float), np.array([0.9, 0.8, 0.7]))
    faces = (np.array([FACE, OTHER, SMALL], float), np.array([False, False, True]))
    outcome = image_outcome(detections, faces, 0.5)
    assert (outcome.faces, outcome.found, outcome.false_positives) == (2, 1, 1)
    assert outcome.missed_M.tolist() == [False, True, False]
    assert outcome.mistakes == 2


def test_detections_below_the_score_do_not_count() -> None:
    detections = (np.array([FACE], float), np.array([0.4]))
    outcome = image_outcome(detections, (np.array([FACE], float), np.array([False])), 0.5)
    assert (outcome.found, outcome.false_positives, outcome.mistakes) == (0, 0, 1)


def test_best_score_is_that_of_the_greatest_harmonic_mean() -> None:
    # By falling score: hit, hit, false, false, hit. F1 of three faces: .5, .8, .67, .57, .75.
    boxes = np.array([FACE, OTHER, [70, 0, 80, 9], [90, 0, 99, 9], [40, 0, 50, 10]], float)
    faces = np.array([FACE, OTHER, [40, 0, 50, 10]], float)
    result = average_precision(
        [(boxes, np.array([0.9, 0.8, 0.7, 0.6, 0.5]))], [(faces, np.zeros(3, bool))]
    )
    assert best_score(result) == pytest.approx(0.8)


def test_best_score_without_any_detection() -> None:
    nothing = (np.zeros((0, 4)), np.zeros(0))
    faces = (np.array([FACE], float), np.array([False]))
    assert best_score(average_precision([nothing], [faces])) == 0.5


def test_ranking_of_the_best_and_the_worst() -> None:
    outcomes = [
        Outcome(2, 2, 0, NONE), Outcome(5, 5, 0, NONE), Outcome(5, 1, 3, NONE),
        Outcome(0, 0, 0, NONE), Outcome(3, 2, 0, NONE),
    ]  # fmt: skip
    assert ranked(outcomes) == ([1, 0], [2, 4])

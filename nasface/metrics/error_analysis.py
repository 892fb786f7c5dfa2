"""Faces found and missed in single images at one score, to pick the best and the worst images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nasface.arrays import Flags, Floats
from nasface.metrics.average_precision import AveragePrecision, average_precision, pairwise_iou


@dataclass(frozen=True, eq=False)
class Outcome:
    """One image: its faces to be found, those that were, false positives, and which of its M
    annotated faces no detection lies on."""

    faces: int
    found: int
    false_positives: int
    missed_M: Flags

    @property
    def mistakes(self) -> int:
        """Faces not found and false positives."""
        return self.faces - self.found + self.false_positives


def image_outcome(
    detections: tuple[Floats, Floats],
    faces: tuple[Floats, Flags],
    score: float,
    iou_threshold: float = 0.5,
) -> Outcome:
    """Return the outcome of detections ``(boxes_N4, scores_N)`` of at least a score on an image
    with faces ``(boxes_M4, ignore_M)``, counted as :func:`average_precision` does."""
    boxes, scores = detections
    truth, ignore = faces
    kept = scores >= score
    result = average_precision([(boxes[kept], scores[kept])], [faces], iou_threshold)
    covered = (pairwise_iou(boxes[kept], truth) >= iou_threshold).any(axis=0)
    return Outcome(
        result.faces,
        result.true_positives,
        result.detections - result.true_positives,
        ~ignore & ~covered,
    )


def best_score(result: AveragePrecision) -> float:
    """Return the score at which precision and recall have the greatest harmonic mean; 0.5 without
    any."""
    total = result.precision + result.recall
    if not len(total) or not np.isfinite(total).all() or not total.any():
        return 0.5
    mean = 2 * result.precision * result.recall / np.maximum(total, 1e-12)
    return float(result.scores[int(mean.argmax())])


def ranked(outcomes: Sequence[Outcome]) -> tuple[list[int], list[int]]:
    """Return the positions of images with faces, the best first, and of those with mistakes, the
    worst first.

    The best have no mistake, and many faces; the worst have the most mistakes.
    """
    best = [at for at, each in enumerate(outcomes) if each.found and not each.mistakes]
    worst = [at for at, each in enumerate(outcomes) if each.mistakes]
    return (
        sorted(best, key=lambda at: -outcomes[at].faces),
        sorted(worst, key=lambda at: -outcomes[at].mistakes),
    )

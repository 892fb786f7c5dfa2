"""Marks of each image for average precision, kept so that images can be resampled.

A bootstrap over images (Efron 1979) takes the average precision of samples of the images with
replacement. Which detection finds which face does not depend on the other images, so that it is
worked out once, and an image that is drawn twice counts twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.widerface_truth import WiderGroundTruth
from nasface.arrays import Flags, Float64, Floats
from nasface.metrics.average_precision import area_under_envelope, labelled
from nasface.metrics.widerface import THRESHOLDS, counted


@dataclass(frozen=True, eq=False)
class ImageMarks:
    """The counted detections K of images I by falling score.

    ``thresholds`` are the scores at which precision and recall are taken, all of them where it is
    empty. The scores of a sample are those of all images: the protocol of WIDER FACE, which scales
    them by the least and the greatest, is not scaled anew.
    """

    scores_K: Float64
    hits_K: Flags
    image_K: NDArray[np.int64]
    faces_I: NDArray[np.int64]
    thresholds: Float64

    def ap(self, times_I: NDArray[np.int64] | None = None) -> float:
        """Return the average precision with each image so many times, once by default; nan without
        faces."""
        times = np.ones(len(self.faces_I), np.int64) if times_I is None else times_I
        total = int((times * self.faces_I).sum())
        if not total:
            return float("nan")
        weight_K = times[self.image_K]
        counts, hits = np.cumsum(weight_K), np.cumsum(weight_K * self.hits_K)
        if len(self.thresholds):
            at = np.searchsorted(-self.scores_K, -self.thresholds, side="right")
            counts, hits = np.append(0, counts)[at], np.append(0, hits)[at]
        return area_under_envelope(hits / total, hits / np.maximum(counts, 1))

    def resampled(self, times_RI: NDArray[np.int64]) -> Float64:
        """Return the average precision (R,) of R samples: :meth:`ap` of each row, all at once where
        there are thresholds."""
        if not len(self.thresholds):
            return np.array([self.ap(times) for times in times_RI])
        counts_RT = times_RI @ self._at_thresholds(np.ones(len(self.scores_K)))
        hits_RT = times_RI @ self._at_thresholds(self.hits_K.astype(np.float64))
        total_R1 = (times_RI @ self.faces_I)[:, None].astype(np.float64)
        total_R1[total_R1 == 0] = np.nan
        precision_RT = hits_RT / np.maximum(counts_RT, 1)
        envelope_RT = np.maximum.accumulate(precision_RT[:, ::-1], axis=1)[:, ::-1]
        steps_RT = np.diff(hits_RT / total_R1, prepend=0.0, axis=1)
        return np.asarray((steps_RT * envelope_RT).sum(axis=1))

    def _at_thresholds(self, weight_K: Float64) -> Float64:
        """Return the sum (I, T) of the weights of each image's detections from every threshold
        on."""
        images, count = len(self.faces_I), len(self.thresholds)
        # Detections fall between two thresholds; what is below the last one is left out.
        bin_K = np.searchsorted(-self.thresholds, -self.scores_K, side="left")
        place_K = self.image_K * (count + 1) + bin_K
        sums = np.bincount(place_K, weight_K, images * (count + 1))
        return np.cumsum(sums.reshape(images, count + 1)[:, :-1], axis=1)


def ap_marks(
    detections: Sequence[tuple[Floats, Floats]],
    faces: Sequence[tuple[Floats, Flags]],
    iou_threshold: float = 0.5,
) -> ImageMarks:
    """Return the marks of :func:`nasface.metrics.average_precision.average_precision`."""
    labels = [
        labelled(*found, *truth, iou_threshold)
        for found, truth in zip(detections, faces, strict=True)
    ]
    scores = [np.asarray(each, np.float64) for _, each in detections]
    return _marks(
        np.concatenate([np.empty(0), *scores]),
        np.concatenate([np.empty(0, np.int8), *labels]),
        np.repeat(np.arange(len(labels)), [len(each) for each in labels]),
        np.array([int((~ignore).sum()) for _, ignore in faces], np.int64),
        np.empty(0),
    )


def wider_marks(
    truth: Sequence[WiderGroundTruth], detections: Mapping[str, ScoredBoxes], name: str
) -> ImageMarks:
    """Return the marks of :func:`nasface.metrics.widerface.score_wider` for one of its sets."""
    scores, labels, images = counted(truth, detections, name)
    faces = np.array([int(image.sets[name].sum()) for image in truth], np.int64)
    return _marks(scores, labels, images, faces, THRESHOLDS)


def _marks(
    scores: Float64,
    labels: NDArray[np.int8],
    images: NDArray[np.int64],
    faces: NDArray[np.int64],
    thresholds: Float64,
) -> ImageMarks:
    """Return the marks of labels: 1 for a face found, 0 for a false positive, below for what is
    left out."""
    order = np.argsort(-scores, kind="stable")
    order = order[labels[order] >= 0]
    return ImageMarks(scores[order], labels[order] == 1, images[order], faces, thresholds)

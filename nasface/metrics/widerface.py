"""The evaluation protocol of WIDER FACE (Yang, Luo, Loy, Tang, CVPR 2016), in NumPy.

As the official tool does it, for each set of faces (easy, medium, hard):

1. Scores are rescaled to [0, 1] by the least and the greatest of all images, once.
2. A detection belongs to the face of its image that it overlaps most, whichever set that face is
   in, if their IoU (with the pixel convention: a box from x to x + w is w + 1 wide) reaches 0.5.
3. A detection whose face is not in the set leaves the count. The first one, by falling score, of a
   face in the set finds it. All others are false positives, also in the images without a face.
4. Precision and recall are taken at the 1000 scores 1 - k / 1000; the average precision is the area
   under the largest precision at each recall or a higher one.

Which face a detection belongs to, and whether it is the first, does not depend on the set, so it is
worked out once. Letters: D detection over all images, F face over all images, M face of an image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasface.annotations.detections import NOTHING, ScoredBoxes
from nasface.annotations.widerface_truth import WiderGroundTruth
from nasface.arrays import Flags, Float64
from nasface.metrics.average_precision import area_under_envelope

THRESHOLDS: Float64 = 1 - np.arange(1, 1001) / 1000
"""The scores at which precision and recall are taken."""

HEIGHTS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "below 10 px": (0, 10),
        "10 to 20 px": (10, 20),
        "20 to 50 px": (20, 50),
        "50 to 300 px": (50, 300),
        "300 px and more": (300, np.inf),
    }
)
"""Bands of face height in pixels, from (inclusive) and to (exclusive)."""

VALUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "blur": ("clear", "normal", "heavy"),
        "occlusion": ("none", "partial", "heavy"),
        "pose": ("typical", "atypical"),
        "illumination": ("normal", "extreme"),
    }
)
"""Attribute -> its values, 0, 1, ... (readme.txt of WIDER FACE)."""


@dataclass(frozen=True, eq=False)
class SetResult:
    """Average precision over a set of faces, nan if it has none, and its curve.

    ``recall`` and ``precision`` have an entry for each of :data:`THRESHOLDS`; precision is 0 where
    nothing is detected.
    """

    ap: float
    faces: int
    recall: Float64
    precision: Float64


@dataclass(frozen=True, eq=False)
class WiderResult:
    """Score detections by the protocol.

    ``sets`` maps easy, medium, hard (or what the ground truth has) to its result; ``by`` maps
    height, the attributes and event to the results of their values, over the faces of the last and
    largest set. ``missing`` are images without an entry among the detections, ``missing_events``
    the events none of whose images has one, ``unknown`` entries without an image.
    """

    sets: Mapping[str, SetResult]
    by: Mapping[str, Mapping[str, SetResult]]
    images: int
    detections: int
    missing: tuple[str, ...]
    missing_events: tuple[str, ...]
    unknown: tuple[str, ...]


def score_wider(
    truth: Sequence[WiderGroundTruth],
    detections: Mapping[str, ScoredBoxes],
    iou_threshold: float = 0.5,
) -> WiderResult:
    """Score detections ``event/name.jpg`` -> boxes ``x1 y1 x2 y2`` and scores, in any order.

    Raises:
        ValueError: if ``truth`` is empty.
    """
    if not truth:
        raise ValueError("no annotated image")
    pool = _Pool.of(truth, detections, iou_threshold)
    names = list(truth[0].sets)
    sets_F = {key: _joined([image.sets[key] for image in truth], bool) for key in names}
    largest_F = sets_F[names[-1]]
    known = {image.name for image in truth}
    present = {_event(name) for name in detections if name in known}
    by = {
        group: {value: pool.score(faces_F & largest_F, images) for value, faces_F, images in rows}
        for group, rows in _groups(truth).items()
    }
    return WiderResult(
        sets={key: pool.score(faces_F) for key, faces_F in sets_F.items()},
        by=by,
        images=len(truth),
        detections=sum(len(detections[name].scores_N) for name in known if name in detections),
        missing=tuple(image.name for image in truth if image.name not in detections),
        unknown=tuple(name for name in detections if name not in known),
        missing_events=tuple(event for event in by["event"] if event not in present),
    )


def counted(
    truth: Sequence[WiderGroundTruth],
    detections: Mapping[str, ScoredBoxes],
    name: str,
    iou_threshold: float = 0.5,
) -> tuple[Float64, NDArray[np.int8], NDArray[np.int64]]:
    """Return for each detection its scaled score, its label for a set of faces (1 for a face found,
    0 for a false positive, -1 for one that leaves the count) and the number of its image."""
    pool = _Pool.of(truth, detections, iou_threshold)
    asked_D = np.append(_joined([image.sets[name] for image in truth], bool), False)[pool.face_D]
    labels = np.where(asked_D | (pool.face_D < 0), pool.first_D & asked_D, -1)
    return pool.scores_D, labels.astype(np.int8), pool.image_D


@dataclass(frozen=True, eq=False)
class _Pool:
    """The detections of all images that count, with the face each belongs to (-1: none) and whether
    it is the first of its face."""

    scores_D: Float64
    face_D: NDArray[np.int64]
    first_D: Flags
    image_D: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        truth: Sequence[WiderGroundTruth],
        detections: Mapping[str, ScoredBoxes],
        threshold: float,
    ) -> "_Pool":
        scores, faces, images = [np.empty(0)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        offset = 0
        low, high = _range(
            [detections[image.name].scores_N for image in truth if image.name in detections]
        )
        for at, image in enumerate(truth):
            found = detections.get(image.name, NOTHING)
            score_N = np.asarray(found.scores_N, np.float64)
            if len(score_N):
                order = np.argsort(-score_N, kind="stable")
                boxes_N4 = np.asarray(found.boxes_N4, np.float64)[order]
                best = _best_face(boxes_N4, image.boxes_M4, threshold)
                scores.append((score_N[order] - low) / (high - low))
                faces.append(np.where(best >= 0, best + offset, -1))
                images.append(np.full(len(order), at))
            offset += len(image.boxes_M4)
        face_D = np.concatenate(faces)
        first_D = np.zeros(len(face_D), np.bool_)
        first_D[np.unique(face_D, return_index=True)[1]] = True
        return cls(np.concatenate(scores), face_D, first_D, np.concatenate(images))

    def score(self, wanted_F: Flags, images: NDArray[np.int64] | None = None) -> SetResult:
        """Return the result for a set of faces, on some of the images where given."""
        asked_D = np.append(wanted_F, False)[self.face_D]  # -1 is the one appended
        counted_D = asked_D | (self.face_D < 0)
        if images is not None:
            counted_D &= np.isin(self.image_D, images)
        order = np.argsort(-self.scores_D[counted_D], kind="stable")
        scores = self.scores_D[counted_D][order]
        found = np.cumsum((self.first_D & asked_D)[counted_D][order], dtype=np.int64)
        counts = np.searchsorted(-scores, -THRESHOLDS, side="right")
        hits = np.append(0, found)[counts]
        total = int(wanted_F.sum())
        precision = hits / np.maximum(counts, 1)
        recall = hits / total if total else np.full(len(hits), np.nan)
        ap = area_under_envelope(recall, precision) if total else float("nan")
        return SetResult(ap, total, recall, precision)


def _groups(
    truth: Sequence[WiderGroundTruth],
) -> dict[str, list[tuple[str, Flags, NDArray[np.int64] | None]]]:
    """Return group -> its values as (name, faces, images to which the value is confined)."""
    height_F = _joined([image.boxes_M4[:, 3] - image.boxes_M4[:, 1] for image in truth], float)
    groups: dict[str, list[tuple[str, Flags, NDArray[np.int64] | None]]] = {
        "height": [
            (name, (height_F >= low) & (height_F < high), None)
            for name, (low, high) in HEIGHTS.items()
        ]
    }
    for attribute, values in VALUES.items():
        value_F = _joined([image.attributes[attribute] for image in truth], int)
        groups[attribute] = [(name, value_F == at, None) for at, name in enumerate(values)]
    image_F = np.repeat(np.arange(len(truth)), [len(image.boxes_M4) for image in truth])
    events: dict[str, list[int]] = {}
    for at, image in enumerate(truth):
        events.setdefault(_event(image.name), []).append(at)
    groups["event"] = [
        (event, np.isin(image_F, images), np.array(images)) for event, images in events.items()
    ]
    return groups


def _best_face(boxes_N4: Float64, faces_M4: Float64, threshold: float) -> NDArray[np.int64]:
    """Return the face that each box overlaps most, -1 where their IoU is below the threshold.

    The overlap counts the pixels of both borders.
    """
    if not len(faces_M4):
        return np.full(len(boxes_N4), -1)
    low = np.maximum(boxes_N4[:, None, :2], faces_M4[None, :, :2])
    high = np.minimum(boxes_N4[:, None, 2:], faces_M4[None, :, 2:])
    shared = np.clip(high - low + 1, 0, None).prod(axis=2)
    areas = [(each[:, 2:] - each[:, :2] + 1).prod(axis=1) for each in (boxes_N4, faces_M4)]
    union = areas[0][:, None] + areas[1] - shared
    overlap = shared / np.where(union > 0, union, 1)
    best = overlap.argmax(axis=1)
    return np.where(overlap[np.arange(len(best)), best] >= threshold, best, -1)


def _range(scores: Sequence[NDArray[np.floating]]) -> tuple[float, float]:
    """Return the least and greatest score; a single value is left where it is."""
    scores = [each for each in scores if len(each)]
    if not scores:
        return 0.0, 1.0
    low, high = min(each.min() for each in scores), max(each.max() for each in scores)
    return (float(low), float(high)) if high > low else (float(low) - 1.0, float(low))


def _event(name: str) -> str:
    return name.split("/")[0]


def _joined(parts: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *parts])

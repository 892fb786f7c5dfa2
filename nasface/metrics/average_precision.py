"""Average precision at one IoU threshold, with faces to ignore.

NumPy only. Letters: N detection of an image, M face of an image, K detection over all images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from nasface.arrays import Flags, Floats

HEIGHT_BANDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"below 16 px": (0, 16), "16 to 48 px": (16, 48), "48 px and more": (48, float("inf"))}
)
"""Bands of face height in pixels, from (inclusive) and to (exclusive)."""

_LEFT_OUT = -1


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """``ap`` in [0, 1], or nan where there is no face to find, and the curve it was taken from.

    ``recall``, ``precision`` and ``scores`` have one entry per counted detection, by falling score
    (ties in the order given); ``recall`` is nan without faces. ``faces`` is the number to be found,
    ``detections`` that of counted detections and ``true_positives`` of the faces found.
    """

    ap: float
    recall: Floats
    precision: Floats
    scores: Floats
    faces: int
    detections: int
    true_positives: int


def average_precision(
    detections: Sequence[tuple[Floats, Floats]],
    faces: Sequence[tuple[Floats, Flags]],
    iou_threshold: float = 0.5,
) -> AveragePrecision:
    """Score detections ``(boxes_N4, scores_N)`` against ``(boxes_M4, ignore_M)``, image by image.

    In order of falling score, a detection takes the free face it overlaps most, if their IoU
    reaches the threshold. One that finds none leaves the count if the face it overlaps most of all
    is an ignored one and their IoU reaches the threshold; otherwise, as when its face is already
    taken, it is a false positive. The area is that under the largest precision at each recall or
    a higher one (VOC 2010 and later, WIDER FACE).

    Raises:
        ValueError: if the two sequences, or the arrays of a pair, differ in length.
    """
    labels: list[npt.NDArray[np.int8]] = [np.empty(0, np.int8)]
    scores: list[Floats] = [np.empty(0)]
    total = 0
    for (boxes, confidence), (truth, ignore) in zip(detections, faces, strict=True):
        if len(boxes) != len(confidence) or len(truth) != len(ignore):
            raise ValueError(
                f"{len(boxes)} boxes with {len(confidence)} scores, "
                f"{len(truth)} faces with {len(ignore)} flags"
            )
        labels.append(labelled(boxes, confidence, truth, ignore, iou_threshold))
        scores.append(confidence)
        total += int((~ignore).sum())
    label, score = np.concatenate(labels), np.concatenate(scores)
    order = np.argsort(-score, kind="stable")
    order = order[label[order] != _LEFT_OUT]
    hits = np.cumsum(label[order], dtype=np.int64)
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / total if total else np.full(len(hits), np.nan)
    ap = area_under_envelope(recall, precision) if total else float("nan")
    found = int(hits[-1]) if len(hits) else 0
    return AveragePrecision(ap, recall, precision, score[order], total, len(hits), found)


def average_precision_by_height(
    detections: Sequence[tuple[Floats, Floats]],
    faces: Sequence[tuple[Floats, Flags]],
    iou_threshold: float = 0.5,
    bands: Mapping[str, tuple[float, float]] = HEIGHT_BANDS,
) -> dict[str, AveragePrecision]:
    """Run :func:`average_precision` over the faces of each height band, in pixels [from, to).

    Faces outside of the band are ignored, as WIDER FACE does with its easier sets; false positives
    of any size count in every band.
    """
    result = {}
    for name, (low, high) in bands.items():
        banded = []
        for truth, ignore in faces:
            height = truth[:, 3] - truth[:, 1]
            banded.append((truth, ignore | (height < low) | (height >= high)))
        result[name] = average_precision(detections, banded, iou_threshold)
    return result


def labelled(
    boxes: Floats, scores: Floats, truth: Floats, ignore: Flags, threshold: float
) -> npt.NDArray[np.int8]:
    """Label the detections of an image: 1 for a face found, 0 for a false positive, -1 for one that
    leaves the count."""
    labels = np.zeros(len(boxes), np.int8)
    if not len(truth):
        return labels
    overlap = pairwise_iou(boxes, truth)
    largest = overlap.max(axis=1)
    free = ~ignore
    order = np.argsort(-scores, kind="stable")
    # The others reach no face at all; there can be hundreds of them per face.
    for at in order[largest[order] >= threshold]:
        candidates = np.where(free, overlap[at], -1.0)
        best = int(candidates.argmax())
        if candidates[best] >= threshold:
            free[best] = False
            labels[at] = 1
        elif overlap[at][ignore].max(initial=0.0) == largest[at]:
            labels[at] = _LEFT_OUT
    return labels


def pairwise_iou(boxes: Floats, others: Floats) -> Floats:
    """Return the IoU (N, M) of each pair; zero where neither box has an area."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(each[:, 2:] - each[:, :2], 0, None).prod(axis=1) for each in (boxes, others)]
    union = areas[0][:, None] + areas[1] - shared
    result: Floats = shared / np.where(union > 0, union, 1)
    return result


def area_under_envelope(recall: Floats, precision: Floats) -> float:
    """Return the area under the largest precision at each recall or a higher one."""
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * envelope).sum())

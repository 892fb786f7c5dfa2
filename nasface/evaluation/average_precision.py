"""Average precision at one IoU threshold (PASCAL VOC, all points), with faces to ignore. NumPy only.

Letters: N detection of an image, M face of an image, K detection over all images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]

#: bands of face height in pixels, from (inclusive) and to (exclusive)
HEIGHT_BANDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"below 16 px": (0, 16), "16 to 48 px": (16, 48), "48 px and more": (48, float("inf"))}
)


@dataclass(frozen=True)
class AveragePrecision:
    """``ap`` (nan without faces) and its curve: ``recall``, ``precision``, ``scores`` by falling score.

    ``detections`` are those that count (not on ignored faces), ``true_positives`` among them.
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

    In order of falling score a detection takes the free face it overlaps most, if by the threshold or
    more. One that finds none leaves the count if it overlaps an ignored face as much, and is a false
    positive otherwise.
    """
    if len(detections) != len(faces):
        raise ValueError(f"{len(detections)} images with detections, {len(faces)} with faces")
    hits, scores = [np.empty(0, np.int8)], [np.empty(0)]
    for (boxes, confidence), (truth, ignore) in zip(detections, faces, strict=True):
        hits.append(_match(boxes, confidence, truth, ignore, iou_threshold))
        scores.append(np.asarray(confidence, dtype=float))
    hit, score = np.concatenate(hits), np.concatenate(scores)
    counted = hit >= 0
    order = np.argsort(-score[counted], kind="stable")
    hit, score = hit[counted][order], score[counted][order]
    total = int(sum((~ignore).sum() for _, ignore in faces))
    true = np.cumsum(hit)
    recall = true / total if total else np.full(len(hit), np.nan)
    precision = true / np.arange(1, len(hit) + 1)
    ap = _area(recall, precision) if total else float("nan")
    return AveragePrecision(ap, recall, precision, score, total, len(hit), int(hit.sum()))


def average_precision_by_height(
    detections: Sequence[tuple[Floats, Floats]],
    faces: Sequence[tuple[Floats, Flags]],
    iou_threshold: float = 0.5,
    bands: Mapping[str, tuple[float, float]] = HEIGHT_BANDS,
) -> dict[str, AveragePrecision]:
    """Average precision over faces of a height band; faces outside of it are ignored."""
    result = {}
    for name, (low, high) in bands.items():
        banded = []
        for truth, ignore in faces:
            height = truth[:, 3] - truth[:, 1]
            banded.append((truth, ignore | (height < low) | (height >= high)))
        result[name] = average_precision(detections, banded, iou_threshold)
    return result


def _match(
    boxes: Floats, scores: Floats, truth: Floats, ignore: Flags, threshold: float
) -> npt.NDArray[np.int8]:
    """Per detection 1 (a face found), 0 (false positive) or -1 (left out)."""
    result = np.zeros(len(boxes), np.int8)
    if not len(boxes) or not len(truth):
        return result
    overlap = _iou(boxes, truth)
    free = ~ignore
    for at in np.argsort(-np.asarray(scores), kind="stable"):
        candidates = np.where(free, overlap[at], -1.0)
        best = int(candidates.argmax())
        if candidates[best] >= threshold:
            free[best] = False
            result[at] = 1
        elif (overlap[at][ignore] >= threshold).any():
            result[at] = -1
    return result


def _iou(boxes: Floats, others: Floats) -> Floats:
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(b[:, 2:] - b[:, :2], 0, None).prod(axis=1) for b in (boxes, others)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    result: Floats = shared / np.maximum(union, 1e-9)
    return result


def _area(recall: Floats, precision: Floats) -> float:
    """Area under the precision envelope."""
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * envelope).sum())

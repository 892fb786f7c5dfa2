"""The evaluation protocol of FDDB (Jain, Learned-Miller, UMass 2010), with the ten folds pooled.

As the official tool does it: regions are drawn as pixels of the image, OpenCV's way. At every
score, the detections of an image from this score on are matched one-to-one to its faces so that the
sum of the overlaps (intersection over union of the pixels) is the greatest. A matched pair counts 1
in the discontinuous rate if its overlap exceeds 0.5, and its overlap in the continuous one.
Detections that do not count 1 are the false positives of both.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.fddb import FddbImage
from nasface.arrays import Float64
from nasface.optional import need

Mask = NDArray[np.uint8]

LARGEST_SIDE = 450
"""No side of an image of FDDB is longer; regions end there where an image's size is not known."""

READ_AT = (100, 500, 1000, 2000)
"""The numbers of false positives at which the rates are read."""

_FAR = 1e4


@dataclass(frozen=True, eq=False)
class FddbResult:
    """The two curves, one entry per score, from the greatest score down.

    ``discontinuous`` and ``continuous`` are true positive rates in [0, 1], ``false_positives``
    integer. ``missing`` are annotated images without an entry among the detections, ``unknown``
    entries without an image.
    """

    scores: Float64
    false_positives: NDArray[np.int64]
    discontinuous: Float64
    continuous: Float64
    images: int
    faces: int
    detections: int
    missing: tuple[str, ...]
    unknown: tuple[str, ...]

    def rates_at(self, false_positives: int) -> tuple[float, float]:
        """Return the greatest discontinuous and continuous rate at no more than so many."""
        allowed = self.false_positives <= false_positives
        disc, cont = (
            float(rate[allowed].max(initial=0.0)) for rate in (self.discontinuous, self.continuous)
        )
        return disc, cont


def score_fddb(
    images: Sequence[FddbImage],
    detections: Mapping[str, ScoredBoxes],
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> FddbResult:
    """Score detections: name -> boxes ``x1 y1 x2 y2``, or ellipses (N, 5), with scores.

    ``sizes`` maps names to (height, width): regions are cut at the image's borders, as officially.

    Raises:
        ValueError: if there is no annotated face.
    """
    faces = sum(len(image.ellipses_M5) for image in images)
    if not faces:
        raise ValueError("no annotated face")
    steps = [np.empty((0, 4))]
    for image in images:
        found = detections.get(image.name)
        if found is not None and len(found.scores_N):
            size = (sizes or {}).get(image.name, (LARGEST_SIDE, LARGEST_SIDE))
            overlaps = overlaps_MN(image.ellipses_M5, found.boxes_N4, size)
            steps.append(_steps(overlaps, found.scores_N))
    every = np.concatenate(steps)
    every = every[np.argsort(-every[:, 0], kind="stable")]
    scores, first = np.unique(-every[:, 0], return_index=True)
    sums = np.cumsum(np.add.reduceat(every[:, 1:], first), axis=0) if len(every) else every[:, 1:]
    known = {image.name for image in images}
    return FddbResult(
        scores=-scores,
        false_positives=np.rint(sums[:, 2] - sums[:, 0]).astype(np.int64),
        discontinuous=sums[:, 0] / faces,
        continuous=sums[:, 1] / faces,
        images=len(images),
        faces=faces,
        detections=sum(len(each.scores_N) for name, each in detections.items() if name in known),
        missing=tuple(image.name for image in images if image.name not in detections),
        unknown=tuple(name for name in detections if name not in known),
    )


def overlaps_MN(
    ellipses_M5: Float64, regions: NDArray[np.floating], size: tuple[int, int]
) -> Float64:
    """Return overlaps (IoU), in pixels of an image of ``size``, of faces with boxes or ellipses."""
    faces = [_draw_ellipse(each, size) for each in ellipses_M5]
    areas = [np.count_nonzero(mask) for mask in faces]
    draw = _draw_ellipse if regions.shape[1] == 5 else _draw_rectangle
    result = np.zeros((len(faces), len(regions)))
    for at, region in enumerate(regions):
        mask = draw(region, size)
        x, y, w, h = cv2.boundingRect(mask)
        part = mask[y : y + h, x : x + w]
        area = np.count_nonzero(part)
        for face, other in enumerate(faces):
            shared = np.count_nonzero(part & other[y : y + h, x : x + w])
            if shared:
                result[face, at] = shared / (area + areas[face] - shared)
    return result


def boxes_to_ellipses(
    images: Sequence[FddbImage], detections: Mapping[str, ScoredBoxes]
) -> dict[str, ScoredBoxes]:
    """Return upright ellipses instead of rectangles, as annotators of FDDB would draw them.

    Annotated ellipses reach from the chin to the top of the head; what a detector calls a face is
    smaller or larger. For each fold, shift and scale are the medians over the pairs of the *other*
    nine folds (rectangle and face, best partners of each other, overlap above 0.5).
    """
    ratios: dict[int, list[Float64]] = {}
    for image in images:
        found = detections.get(image.name)
        if found is None or not len(found.scores_N):
            continue
        size = (LARGEST_SIDE, LARGEST_SIDE)
        overlaps = overlaps_MN(image.ellipses_M5, found.boxes_N4, size)
        for face, at in enumerate(overlaps.argmax(axis=1)):
            if overlaps[face, at] > 0.5 and overlaps[:, at].argmax() == face:
                ratios.setdefault(image.fold, []).append(
                    _relative(image.ellipses_M5[face], found.boxes_N4[at])
                )
    result = {}
    for image in images:
        if image.name in detections:
            boxes_N4, scores_N = detections[image.name]
            others = [each for fold, part in ratios.items() if fold != image.fold for each in part]
            fitted = np.median(others, axis=0) if others else np.array([0.5, 0.5, 0.5, 0.5])
            ellipses = _applied(fitted, np.asarray(boxes_N4, np.float64))
            result[image.name] = ScoredBoxes(ellipses, scores_N)
    return result


def _steps(overlaps: Float64, scores: NDArray[np.floating]) -> Float64:
    """Return what each distinct score adds: (score, discontinuous, continuous, detections), (S,
    4)."""
    assign = need("scipy.optimize", "nasface[evaluate]").linear_sum_assignment
    distinct, counts = np.unique(scores, return_counts=True)
    touches = overlaps.any(axis=0)
    steps, before = [], (0.0, 0.0)
    for score, count in zip(distinct[::-1], counts[::-1], strict=True):
        now = before
        # Only a detection that touches a face can change the matching.
        if (touches & (scores == score)).any():
            valid = overlaps[:, touches & (scores >= score)]
            matched = valid[assign(valid, maximize=True)]
            now = (float((matched > 0.5).sum()), float(matched.sum()))
        steps.append((score, now[0] - before[0], now[1] - before[1], count))
        before = now
    return np.array(steps, np.float64)


def _draw_rectangle(row: NDArray[np.floating], size: tuple[int, int]) -> Mask:
    """Return the mask of a rectangle; both borders belong to it."""
    mask = np.zeros(size, np.uint8)
    x1, y1, x2, y2 = (float(value) for value in row)
    cv2.rectangle(mask, (_round(x1), _round(y1)), (_round(x2), _round(y2)), 1, cv2.FILLED)
    return mask


def _draw_ellipse(row: NDArray[np.floating], size: tuple[int, int]) -> Mask:
    """Return the mask of an ellipse; the centre is rounded, the radii are cut, as in the official
    tool."""
    mask = np.zeros(size, np.uint8)
    major, minor, angle, x, y = (float(value) for value in row)
    axes = tuple(int(min(max(radius, 0.0), _FAR)) for radius in (major, minor))
    centre = (_round(x), _round(y))
    cv2.ellipse(mask, centre, axes, math.degrees(angle), 0, 360, 1, cv2.FILLED)
    return mask


def _round(value: float) -> int:
    """Round half to even, as OpenCV does; far outside of an image it makes no difference where."""
    return round(min(max(value, -_FAR), _FAR))


def _relative(ellipse: Float64, row: NDArray[np.floating]) -> Float64:
    """Return the centre, vertical and horizontal radius of an ellipse in units of a box's sides."""
    major, minor, angle, x, y = ellipse
    upright = abs(math.sin(angle)) >= abs(math.cos(angle))
    vertical, horizontal = (major, minor) if upright else (minor, major)
    left, top = row[:2]
    width, height = row[2:] - row[:2]
    return np.array([(x - left) / width, (y - top) / height, vertical / height, horizontal / width])


def _applied(relative: Float64, boxes_N4: Float64) -> Float64:
    """Return the upright ellipses of boxes, (N, 5)."""
    x, y, x2, y2 = boxes_N4.T
    w, h = x2 - x, y2 - y
    return np.stack(
        [
            relative[2] * h,
            relative[3] * w,
            np.full(len(boxes_N4), math.pi / 2),
            x + relative[0] * w,
            y + relative[1] * h,
        ],
        axis=1,
    )

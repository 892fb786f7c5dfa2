"""Test-time presets: at which sizes, and mirrored or not, a detector sees an image.

``octaves`` adds smaller views of a large image, in which faces are found that are larger than a
detector knows. ``pyramid`` and ``flip`` follow DSFD (Li et al., CVPR 2019; the facts of its public
test code): the detections of several views are merged by box voting.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nasface.detection.boxes import iou
from nasface.structures import Detections

Preset = Literal["original", "octaves", "vga", "flip", "pyramid"]

VGA_SIDE = 640
OCTAVE_SIDE = 640
"""Pixels of the longer side down to which an image is halved."""
OCTAVE_LEAST, OCTAVE_MOST = 30.0, 200.0
"""A halved view answers for faces whose longer side is above 30 of its own pixels, one that is
halved once more for those whose shorter side is below 200. Chosen with the released detectors
(docs/results/released)."""
VOTE_IOU = 0.3
LARGEST_AREA = 2**31 / 200
"""Pixels of the largest view of the pyramid, about 3277 x 3277."""
LARGEST_SCALE = 3.0
SMALL, LARGE = 100.0, 30.0
"""Enlarged views answer for faces whose shorter side is below 100 pixels of the original image,
shrunk ones for those whose longer side is above 30."""


@dataclass(frozen=True)
class View:
    """An image resized by ``scale``, mirrored if ``flip``.

    Of its detections those are kept whose longer side exceeds ``above`` and whose shorter side is
    below ``below``, in pixels of the original image.
    """

    scale: float = 1.0
    flip: bool = False
    above: float = 0.0
    below: float = math.inf


def views_of(preset: Preset, height: int, width: int, longer_side: int | None) -> list[View]:
    """Return the views of an image; ``longer_side`` is a fixed size instead of the original one."""
    if preset == "pyramid":
        return _pyramid(height, width)
    side = VGA_SIDE if preset == "vga" else longer_side
    scale = 1.0 if side is None else side / max(height, width)
    if preset == "octaves":
        return _octaves(scale, longer_side or max(height, width))
    return [View(scale)] if preset != "flip" else [View(scale), View(scale, flip=True)]


def describe(preset: Preset, longer_side: int | None) -> str:
    """Return the preset in words, for printing beside a figure."""
    size = f"longer side {longer_side} px" if longer_side else "original size"
    return {
        "original": f"single scale, {size}",
        "octaves": f"{size}, and halved while above {OCTAVE_SIDE} px",
        "vga": f"single scale, longer side {VGA_SIDE} px (VGA)",
        "flip": f"{size}, mirrored as well, box voting (DSFD on FDDB)",
        "pyramid": "DSFD pyramid of scales, mirrored as well, box voting",
    }[preset]


def filter_by_size(found: Detections, view: View) -> Detections:
    """Return the detections, in pixels of the original image, for which a view answers."""
    sides_N2 = found.boxes_N4[:, 2:] - found.boxes_N4[:, :2]
    kept_N = (sides_N2.amax(1) > view.above) & (sides_N2.amin(1) < view.below)
    return Detections(found.boxes_N4[kept_N], found.scores_N[kept_N])


def box_voting(found: Detections, keep: int) -> Detections:
    """Merge detections of several views by box voting, at most ``keep`` of them, best score first.

    The best detection left takes all that overlap it by an IoU of 0.3 or more: the box is the mean
    of theirs weighted by score, the score the greatest. A detection that stands alone is dropped,
    as DSFD does: no other view has seen it.
    """
    order = found.scores_N.argsort(descending=True, stable=True)
    boxes_N4, scores_N = found.boxes_N4[order], found.scores_N[order]
    merged: list[Tensor] = []
    scores: list[Tensor] = []
    while len(boxes_N4) and len(merged) < keep:
        group = iou(boxes_N4[:1], boxes_N4)[0] >= VOTE_IOU
        group[0] = True
        if int(group.sum()) > 1:
            weights = scores_N[group, None]
            merged.append((boxes_N4[group] * weights).sum(0) / weights.sum().clamp(min=1e-12))
            scores.append(scores_N[0])
        boxes_N4, scores_N = boxes_N4[~group], scores_N[~group]
    if not merged:
        return Detections(found.boxes_N4[:0], found.scores_N[:0])
    return Detections(torch.stack(merged), torch.stack(scores))


def _octaves(scale: float, side: float) -> list[View]:
    """Return the image at a scale, where its longer side has ``side`` pixels, and halved until it
    has at most :data:`OCTAVE_SIDE`."""
    scales = [scale]
    while side > OCTAVE_SIDE:
        side /= 2
        scales.append(scales[-1] / 2)
    return [
        View(
            each,
            above=OCTAVE_LEAST / each if at else 0.0,
            below=OCTAVE_MOST / each if each != scales[-1] else math.inf,
        )
        for at, each in enumerate(scales)
    ]


def _pyramid(height: int, width: int) -> list[View]:
    cap = min(LARGEST_SCALE, math.sqrt(LARGEST_AREA / (height * width)))
    base = min(1.0, cap)
    views = [View(base), View(base, flip=True)]
    half = 0.5 if cap >= 0.75 else 0.5 * cap
    shrunk = [half, 0.25] + ([0.75] if cap > 0.75 else [])
    enlarged = [scale for scale in (1.25, 1.5, 1.75, 2.0, 2.25) if 1 < scale < cap]
    if cap > 1:
        enlarged.append(cap)
    views += [View(scale, above=LARGE) for scale in shrunk]
    return views + [View(scale, below=SMALL) for scale in enlarged]


def concatenate(parts: list[Detections]) -> Detections:
    """Return the detections of several views together."""
    return Detections(
        torch.cat([each.boxes_N4 for each in parts]), torch.cat([each.scores_N for each in parts])
    )

"""Box algebra in pure torch. Boxes are ``x1 y1 x2 y2`` in pixels; letters: A anchor, N, M box."""

import math
from typing import Literal

import torch
from torch import Tensor

CENTRE_VARIANCE = 0.1
SIZE_VARIANCE = 0.2
LARGEST_LOG_SIZE = math.log(1000.0)
_SMALLEST_SIDE = 1e-6
_SMALLEST_AREA = 1e-7
_SUPPRESSION_BLOCK = 128


def area(boxes_N4: Tensor) -> Tensor:
    """Return the areas (N,) in square pixels, zero for inverted boxes."""
    sides = (boxes_N4[:, 2:] - boxes_N4[:, :2]).clamp(min=0)
    return sides[:, 0] * sides[:, 1]


def intersection(boxes_N4: Tensor, others_M4: Tensor) -> Tensor:
    """Return the area shared by each pair of boxes, (N, M) in square pixels."""
    # One plane per coordinate, contiguous along M: three times as fast as pairs of corners.
    x1, y1, x2, y2 = boxes_N4[:, None].unbind(2)
    left, top, right, bottom = others_M4.T.contiguous()
    width = (torch.minimum(x2, right) - torch.maximum(x1, left)).clamp(min=0)
    height = (torch.minimum(y2, bottom) - torch.maximum(y1, top)).clamp(min=0)
    return width * height


def iou(boxes_N4: Tensor, others_M4: Tensor) -> Tensor:
    """Return the intersection over union of each pair, (N, M) in [0, 1]; zero where neither has an
    area."""
    shared = intersection(boxes_N4, others_M4)
    union = area(boxes_N4)[:, None] + area(others_M4) - shared
    return shared / torch.where(union > 0, union, 1)


def paired_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the intersection over union of boxes (..., 4) and others in the same places, (...) in
    [0, 1]."""
    low = torch.maximum(boxes[..., :2], others[..., :2])
    high = torch.minimum(boxes[..., 2:], others[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
    others_areas = (others[..., 2:] - others[..., :2]).clamp(min=0).prod(-1)
    return shared / (areas + others_areas - shared).clamp(min=_SMALLEST_AREA)


def clip(boxes_N4: Tensor, height: float, width: float) -> Tensor:
    """Return boxes (N, 4) cut at the borders of an image of ``height`` x ``width`` pixels."""
    limits = boxes_N4.new_tensor([width, height, width, height])
    return torch.minimum(boxes_N4.clamp(min=0), limits)


def encode(boxes_A4: Tensor, anchors_A4: Tensor) -> Tensor:
    """Return the offsets (A, 4) of boxes from anchors, as SSD codes them (arXiv 1512.02325).

    Centre shifts in anchor sizes over a variance of 0.1, log size ratios over 0.2. Boxes without
    area are coded as 1e-6 pixels wide; the anchors must have an area.
    """
    anchor_size = anchors_A4[:, 2:] - anchors_A4[:, :2]
    size = (boxes_A4[:, 2:] - boxes_A4[:, :2]).clamp(min=_SMALLEST_SIDE)
    shift = (boxes_A4[:, :2] + boxes_A4[:, 2:] - anchors_A4[:, :2] - anchors_A4[:, 2:]) / 2
    return torch.cat(
        [shift / anchor_size / CENTRE_VARIANCE, (size / anchor_size).log() / SIZE_VARIANCE], dim=1
    )


def decode(deltas_A4: Tensor, anchors_A4: Tensor) -> Tensor:
    """Return boxes (A, 4) from offsets coded as SSD does; offsets (B, A, 4) give boxes (B, A, 4).

    A side grows to at most 1000 times the anchor's, so that no offset overflows.
    """
    anchor_size = anchors_A4[:, 2:] - anchors_A4[:, :2]
    centre = (anchors_A4[:, :2] + anchors_A4[:, 2:]) / 2
    centre = centre + deltas_A4[..., :2] * CENTRE_VARIANCE * anchor_size
    size = anchor_size * (deltas_A4[..., 2:] * SIZE_VARIANCE).clamp(max=LARGEST_LOG_SIZE).exp()
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


OverlapLoss = Literal["giou", "diou", "ciou"]


def overlap_loss(boxes_N4: Tensor, targets_N4: Tensor, kind: OverlapLoss = "diou") -> Tensor:
    """Return a loss (N,) of each box and its target that is 0 where they agree.

    ``giou`` (Rezatofighi et al., arXiv 1902.09630), in [0, 2]: 1 - IoU + the share of the enclosing
    box that neither covers. ``diou`` (Zheng et al., arXiv 1911.08287), in [0, 2]: 1 - IoU +
    (distance of the centres / diagonal of the enclosing box) squared. ``ciou`` (same paper), in
    [0, 3]: DIoU + a penalty of up to 1 on another aspect ratio. Finite, as is the gradient, for
    boxes without area.
    """
    low = torch.maximum(boxes_N4[:, :2], targets_N4[:, :2])
    high = torch.minimum(boxes_N4[:, 2:], targets_N4[:, 2:])
    sides = (high - low).clamp(min=0)
    shared = sides[:, 0] * sides[:, 1]
    union = area(boxes_N4) + area(targets_N4) - shared
    overlap = shared / union.clamp(min=_SMALLEST_AREA)
    outer = torch.maximum(boxes_N4[:, 2:], targets_N4[:, 2:]) - torch.minimum(
        boxes_N4[:, :2], targets_N4[:, :2]
    )
    if kind == "giou":
        enclosing = outer[:, 0] * outer[:, 1]
        bare = (enclosing - union).clamp(min=0)
        return 1 - overlap + bare / enclosing.clamp(min=_SMALLEST_AREA)
    apart = (boxes_N4[:, :2] + boxes_N4[:, 2:] - targets_N4[:, :2] - targets_N4[:, 2:]) / 2
    distance = apart.square().sum(1) / outer.square().sum(1).clamp(min=_SMALLEST_AREA)
    if kind == "diou":
        return 1 - overlap + distance
    shape = (2 / math.pi * (_slope(targets_N4) - _slope(boxes_N4))).square()
    with torch.no_grad():
        trade_off = shape / (1 - overlap + shape).clamp(min=_SMALLEST_AREA)
    return 1 - overlap + distance + trade_off * shape


def _slope(boxes_N4: Tensor) -> Tensor:
    """Return the angle (N,) of a box's diagonal, from 0 (flat) to pi / 2 (upright)."""
    sides = (boxes_N4[:, 2:] - boxes_N4[:, :2]).clamp(min=_SMALLEST_SIDE)
    return torch.atan(sides[:, 1] / sides[:, 0])


def non_maximum_suppression(
    boxes_N4: Tensor, scores_N: Tensor, threshold: float, *, before: int = 5000, keep: int = 750
) -> Tensor:
    """Return the indices (K,) int64 of boxes kept by greedy suppression, best score first.

    The ``before`` best boxes enter; a box is dropped if its IoU with a kept, better one exceeds
    ``threshold``; at most ``keep`` are kept. Ties in score go to the lower index.
    """
    order = scores_N.argsort(descending=True, stable=True)[:before]
    kept = [order[:0]]
    found = 0
    # Block by block: a few large comparisons, and no more boxes examined than `keep` calls for.
    while len(order) and found < keep:
        block, order = order[:_SUPPRESSION_BLOCK], order[_SUPPRESSION_BLOCK:]
        boxes = boxes_N4[block]
        stays = _greedy(iou(boxes, boxes) > threshold)
        kept.append(block[stays])
        found += len(kept[-1])
        order = order[~(iou(boxes[stays], boxes_N4[order]) > threshold).any(dim=0)]
    return torch.cat(kept)[:keep]


def _greedy(clash_NN: Tensor) -> Tensor:
    """Return which boxes, best first, stay if each removes the later ones that it clashes with,
    (N,) bool.

    Repeats "stays if no staying box before it clashes" until nothing changes. After n rounds the
    first n answers are final, so the end is reached, and it is the greedy one.
    """
    before_NN = clash_NN.triu(diagonal=1)
    stays = torch.ones_like(clash_NN[0])
    while True:
        update = ~(before_NN & stays[:, None]).any(dim=0)
        if torch.equal(update, stays):
            return stays
        stays = update

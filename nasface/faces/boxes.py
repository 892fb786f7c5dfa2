"""Box algebra in pure torch. Boxes are ``x1 y1 x2 y2`` in pixels; letters: A anchor, N, M box."""

import math

import torch
from torch import Tensor

CENTRE_VARIANCE = 0.1
SIZE_VARIANCE = 0.2
_MAX_LOG_SIZE = math.log(1000.0)


def area(boxes_N4: Tensor) -> Tensor:
    """Areas (N,), zero for inverted boxes."""
    sides = (boxes_N4[..., 2:] - boxes_N4[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def intersection(boxes_N4: Tensor, others_M4: Tensor) -> Tensor:
    """Area shared by each pair of boxes, (N, M)."""
    low = torch.maximum(boxes_N4[:, None, :2], others_M4[None, :, :2])
    high = torch.minimum(boxes_N4[:, None, 2:], others_M4[None, :, 2:])
    sides = (high - low).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def iou(boxes_N4: Tensor, others_M4: Tensor) -> Tensor:
    """Intersection over union of each pair, (N, M) in [0, 1]; zero where both are empty."""
    shared = intersection(boxes_N4, others_M4)
    union = area(boxes_N4)[:, None] + area(others_M4)[None, :] - shared
    return torch.where(union > 0, shared / union.clamp(min=1e-12), torch.zeros_like(shared))


def clip(boxes_N4: Tensor, height: float, width: float) -> Tensor:
    """Boxes cut at the borders of an image."""
    limits = boxes_N4.new_tensor([width, height, width, height])
    return torch.minimum(boxes_N4.clamp(min=0), limits)


def encode(boxes_A4: Tensor, anchors_A4: Tensor) -> Tensor:
    """Offsets (A, 4) of boxes from anchors, as SSD codes them (variances 0.1 and 0.2)."""
    anchor_size = anchors_A4[:, 2:] - anchors_A4[:, :2]
    size = (boxes_A4[:, 2:] - boxes_A4[:, :2]).clamp(min=1e-6)
    shift = (boxes_A4[:, :2] + boxes_A4[:, 2:] - anchors_A4[:, :2] - anchors_A4[:, 2:]) / 2
    return torch.cat(
        [shift / anchor_size / CENTRE_VARIANCE, (size / anchor_size).log() / SIZE_VARIANCE], dim=1
    )


def decode(deltas_A4: Tensor, anchors_A4: Tensor) -> Tensor:
    """Boxes (A, 4) from offsets, the inverse of :func:`encode`; sizes up to 1000 times the anchor's."""
    anchor_size = anchors_A4[:, 2:] - anchors_A4[:, :2]
    centre = (anchors_A4[:, :2] + anchors_A4[:, 2:]) / 2
    centre = centre + deltas_A4[:, :2] * CENTRE_VARIANCE * anchor_size
    size = anchor_size * (deltas_A4[:, 2:] * SIZE_VARIANCE).clamp(max=_MAX_LOG_SIZE).exp()
    return torch.cat([centre - size / 2, centre + size / 2], dim=1)


def distance_iou_loss(boxes_N4: Tensor, targets_N4: Tensor) -> Tensor:
    """DIoU loss (N,), in [0, 2): 1 - IoU + (centre distance / diagonal of the enclosing box) squared.

    Zheng et al., arXiv 1911.08287. Finite, as is its gradient, for boxes without area.
    """
    low = torch.maximum(boxes_N4[:, :2], targets_N4[:, :2])
    high = torch.minimum(boxes_N4[:, 2:], targets_N4[:, 2:])
    sides = (high - low).clamp(min=0)
    shared = sides[:, 0] * sides[:, 1]
    union = area(boxes_N4) + area(targets_N4) - shared
    outer = torch.maximum(boxes_N4[:, 2:], targets_N4[:, 2:]) - torch.minimum(
        boxes_N4[:, :2], targets_N4[:, :2]
    )
    apart = (boxes_N4[:, :2] + boxes_N4[:, 2:] - targets_N4[:, :2] - targets_N4[:, 2:]) / 2
    distance = apart.square().sum(1) / outer.square().sum(1).clamp(min=1e-7)
    return 1 - shared / union.clamp(min=1e-7) + distance


def non_maximum_suppression(
    boxes_N4: Tensor, scores_N: Tensor, threshold: float, *, before: int = 5000, keep: int = 750
) -> Tensor:
    """Indices (K,) of boxes kept by greedy suppression, best score first.

    The ``before`` best boxes enter; a box goes if its IoU with a kept, better one exceeds
    ``threshold``; at most ``keep`` stay. Ties in score go to the lower index.
    """
    order = scores_N.argsort(descending=True, stable=True)[:before]
    kept: list[Tensor] = []
    while len(order) and len(kept) < keep:
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[iou(boxes_N4[best][None], boxes_N4[order])[0] <= threshold]
    return torch.stack(kept) if kept else order

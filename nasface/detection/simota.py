"""Assignment by the cost of the predictions (SimOTA: YOLOX, Ge et al., arXiv 2107.08430, section
2.1; OTA, Ge et al., CVPR 2021, arXiv 2103.14259)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from nasface.detection.boxes import area, decode, iou
from nasface.detection.matching import BACKGROUND, MatchConfig, Matches, ignore_covered
from nasface.structures import GridLevel, Predictions, Targets

CENTRE_RADIUS = 2.5
"""Half the side of the square around a face's centre, in strides, whose anchors are candidates."""

BEST_OVERLAPS = 10
"""Overlaps that are summed to the number of a face's anchors."""

OVERLAP_WEIGHT = 3.0
"""Weight of the overlap beside the class in the cost of a pair."""

_OUTSIDE = 1e5
_TINY = 1e-8


@torch.no_grad()
def assign_by_simota(
    predictions: Predictions, targets: Sequence[Targets], config: MatchConfig
) -> list[Matches]:
    """Assign to each face the anchors whose predictions fit it at the least cost.

    Candidates of an image are anchors whose centre lies in a face, or within 2.5 strides of a
    face's centre on both axes. The cost of a candidate and a face is the cross-entropy of the
    predicted probability, three times -log of the IoU of the predicted box, and 1e5 more unless the
    centre lies in the face and near its centre. A face takes as many candidates of least cost as
    the ten greatest IoUs sum to, at least one; a candidate that several take goes to the cheapest.
    All others are background, or ignored by rule 5 of :func:`~nasface.detection.matching.match`.
    """
    stride_A = _strides(predictions.grid, predictions.anchors_A4)
    logits = predictions.logits_BA2.float()
    deltas = predictions.deltas_BA4.float()
    found = []
    for logits_A2, deltas_A4, each in zip(logits, deltas, targets, strict=True):
        boxes_A4 = decode(deltas_A4, predictions.anchors_A4)
        class_cost_A = softplus(logits_A2[:, 0] - logits_A2[:, 1])
        face_A = _assign(predictions.anchors_A4, stride_A, boxes_A4, class_cost_A, each)
        found.append(Matches(ignore_covered(face_A, predictions.anchors_A4, each, config.positive)))
    return found


def _assign(
    anchors_A4: Tensor, stride_A: Tensor, boxes_A4: Tensor, class_cost_A: Tensor, targets: Targets
) -> Tensor:
    """Return the face of each anchor of one image, or background."""
    face_A = torch.full_like(stride_A, BACKGROUND, dtype=torch.int64)
    asked = torch.nonzero(~targets.ignore_M & (area(targets.boxes_M4) > 0)).squeeze(1)
    faces_M4 = targets.boxes_M4[asked]
    centre_A2 = (anchors_A4[:, :2] + anchors_A4[:, 2:]) / 2
    inside_MA = ((centre_A2 > faces_M4[:, None, :2]) & (centre_A2 < faces_M4[:, None, 2:])).all(2)
    apart_MA2 = (centre_A2 - (faces_M4[:, None, :2] + faces_M4[:, None, 2:]) / 2).abs()
    near_MA = (apart_MA2 < CENTRE_RADIUS * stride_A[:, None]).all(2)
    candidates = torch.nonzero((inside_MA | near_MA).any(0)).squeeze(1)
    if not len(candidates):
        return face_A
    overlap_MC = iou(faces_M4, boxes_A4[candidates])
    cost_MC = class_cost_A[candidates] - OVERLAP_WEIGHT * (overlap_MC + _TINY).log()
    cost_MC += _OUTSIDE * ~(inside_MA & near_MA)[:, candidates]
    best = overlap_MC.topk(min(BEST_OVERLAPS, len(candidates)), dim=1).values
    wanted_M1 = best.sum(1, keepdim=True).int().clamp(min=1)
    rank_MC = cost_MC.argsort(dim=1, stable=True).argsort(dim=1)
    taken_MC = rank_MC < wanted_M1
    owner_C = cost_MC.masked_fill(~taken_MC, torch.inf).argmin(0)
    is_taken_C = taken_MC.any(0)
    face_A[candidates[is_taken_C]] = asked[owner_C[is_taken_C]]
    return face_A


def _strides(grid: Sequence[GridLevel], anchors_A4: Tensor) -> Tensor:
    """Return the stride of the level of each anchor, (A,) in pixels."""
    strides = [
        anchors_A4.new_full((each.rows * each.columns * each.anchors,), each.stride)
        for each in grid
    ]
    return torch.cat(strides)

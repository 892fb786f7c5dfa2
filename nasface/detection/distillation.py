"""Distillation: a detector learns from the detections of another on the same images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from nasface.detection.assignment import ASSIGNERS
from nasface.detection.boxes import decode, overlap_loss
from nasface.detection.classification_losses import quality_focal
from nasface.detection.matching import MatchConfig
from nasface.structures import Detections, Predictions, Targets


class TaughtAnchors(NamedTuple):
    """Detections of a teacher, assigned to the A anchors of B images.

    ``scores_BA`` in [0, 1], 0 for anchors without a detection; ``boxes_BA4`` in pixels, to be read
    where the score is above 0.
    """

    scores_BA: Tensor
    boxes_BA4: Tensor


def teach_anchors(
    predictions: Predictions, found: Sequence[Detections], match: MatchConfig
) -> TaughtAnchors:
    """Assign a student's anchors to a teacher's detections, by the rule that is used for faces."""
    nobody = [torch.zeros_like(each.scores_N, dtype=torch.bool) for each in found]
    targets = [Targets(each.boxes_N4, none) for each, none in zip(found, nobody, strict=True)]
    matches = ASSIGNERS.find(match.assignment)(predictions, targets, match)
    scores, boxes = [], []
    for each, one in zip(found, matches, strict=True):
        # A last row for the anchors that belong to nothing.
        of_none = each.boxes_N4.new_zeros(1, 4)
        scores.append(torch.cat([each.scores_N, of_none[:, 0]])[one.face_A])
        boxes.append(torch.cat([each.boxes_N4, of_none])[one.face_A])
    return TaughtAnchors(torch.stack(scores), torch.stack(boxes))


@dataclass(frozen=True)
class DistillationLoss:
    """Loss of a student's second shot against the detections of a teacher.

    Quality focal loss (arXiv 2006.04388) of the probability of a face towards the teacher's score,
    and DIoU of the boxes, weighted by the score; both are divided by the sum of the scores, or 1.
    Chen et al. (NeurIPS 2017) also take a teacher's detections as further faces, softened by their
    scores.
    """

    match: MatchConfig
    box_weight: float

    def __call__(self, predictions: Predictions, found: Sequence[Detections]) -> Tensor:
        """Return the loss of B images with as many detections, a scalar in float32."""
        taught = teach_anchors(predictions, found, self.match)
        logits_BA2 = predictions.logits_BA2.float()
        logit_BA = logits_BA2[..., 1] - logits_BA2[..., 0]
        classes = quality_focal(logit_BA, taught.scores_BA).sum()
        is_taught = taught.scores_BA > 0
        weight_P = taught.scores_BA[is_taught]
        anchors_BA4 = predictions.anchors_A4.expand_as(taught.boxes_BA4)
        boxes_P4 = decode(predictions.deltas_BA4[is_taught].float(), anchors_BA4[is_taught])
        box = (weight_P * overlap_loss(boxes_P4, taught.boxes_BA4[is_taught], "diou")).sum()
        return (classes + self.box_weight * box) / weight_P.sum().clamp(min=1.0)

"""The loss of SCRFD for batches of padded targets: quality focal loss and a loss of overlap."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from nasface.detection.boxes import OverlapLoss, decode, overlap_loss, paired_iou
from nasface.structures import Predictions


class QualityLoss(NamedTuple):
    """Scalars: the loss of classes and of boxes, and the number of anchors that belong to faces."""

    classification: Tensor
    box: Tensor
    positives: Tensor


def quality_focal(logit_K: Tensor, target_K: Tensor, exponent: float = 2.0) -> Tensor:
    """Quality focal loss (K,) of probabilities towards targets in [0, 1].

    Generalized focal loss (Li et al., NeurIPS 2020, arXiv 2006.04388, equation 5): cross-entropy
    with a soft target, weighted by ``|target - probability| ** exponent``.
    """
    distance_K = (target_K - logit_K.sigmoid()).abs()
    errors_K = binary_cross_entropy_with_logits(logit_K, target_K, reduction="none")
    return distance_K**exponent * errors_K


def quality_loss(
    predictions: Predictions,
    owner_BA: Tensor,
    boxes_BM4: Tensor,
    ignore_BM: Tensor,
    kind: OverlapLoss = "giou",
) -> QualityLoss:
    """The loss of a batch whose anchors belong to faces ``owner_BA``, or to none where -1.

    A face's probability (softmax of two logits, so the sigmoid of their difference) goes towards
    the IoU of its predicted box, that of other anchors towards 0; anchors of faces to ignore take
    no part. Boxes weigh as their probability, as in generalized focal loss. In float32; without
    branches or boolean indexing, which a GPU would have to wait for.
    """
    logits = predictions.logits_BA2.float()
    logit_BA = logits[..., 1] - logits[..., 0]
    face_BA = owner_BA.clamp(min=0)
    ignored_BA = (owner_BA >= 0) & ignore_BM.gather(1, face_BA)
    positive_BA = (owner_BA >= 0) & ~ignored_BA
    targets_BA4 = boxes_BM4.gather(1, face_BA[..., None].expand(-1, -1, 4))
    # Anchors of no face get their own box as target, so that nothing overflows there.
    anchors_BA4 = predictions.anchors_A4.expand_as(targets_BA4)
    targets_BA4 = torch.where(positive_BA[..., None], targets_BA4, anchors_BA4)
    boxes_BA4 = decode(predictions.deltas_BA4.float(), predictions.anchors_A4)
    quality_BA = paired_iou(boxes_BA4.detach(), targets_BA4) * positive_BA
    classes_BA = quality_focal(logit_BA, quality_BA) * ~ignored_BA
    weight_BA = logit_BA.detach().sigmoid() * positive_BA
    error_BA = overlap_loss(boxes_BA4.flatten(0, 1), targets_BA4.flatten(0, 1), kind)
    error_BA = torch.where(positive_BA, error_BA.view_as(weight_BA), 0.0)
    positives = positive_BA.sum()
    box = (error_BA * weight_BA).sum() / weight_BA.sum().clamp(min=1.0)
    return QualityLoss(classes_BA.sum() / positives.clamp(min=1), box, positives)

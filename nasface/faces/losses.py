"""The detection loss: cross-entropy with hard negatives and DIoU, over two shots."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from nasface.faces.boxes import decode, distance_iou_loss
from nasface.faces.matching import BACKGROUND, MatchConfig, Matches, match
from nasface.faces.types import Predictions, Targets


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the parts of the loss."""

    box_weight: float = 2.0
    """Weight of the box loss beside the classification loss."""
    negatives_per_positive: float = 3.0
    """Hardest negatives per positive anchor."""
    min_negatives: int = 16
    """Fewest negatives per image, so that images without faces teach too."""
    first_shot_weight: float = 1.0
    """Weight of the first shot beside the second."""


class ShotLoss(NamedTuple):
    """The loss of one shot, each part divided by the number of positive anchors."""

    classification: Tensor
    box: Tensor
    positives: int


class Losses(NamedTuple):
    """The weighted total and its parts."""

    total: Tensor
    second: ShotLoss
    first: ShotLoss | None


def detection_loss(
    predictions: Predictions,
    matches: Sequence[Matches],
    targets: Sequence[Targets],
    config: LossConfig,
) -> ShotLoss:
    """The loss of one shot on a batch."""
    logits = predictions.logits_BA2.float()
    face = torch.stack([each.face_A for each in matches])
    is_positive = face >= 0
    positives = int(is_positive.sum())
    cross_entropy = F.cross_entropy(
        logits.flatten(0, 1), is_positive.long().flatten(), reduction="none"
    ).view_as(face)
    wanted = max(
        int(config.negatives_per_positive * positives), config.min_negatives * len(matches)
    )
    hardness = cross_entropy.detach().masked_fill(face != BACKGROUND, -torch.inf).flatten()
    negatives = hardness.topk(min(wanted, int((face == BACKGROUND).sum()))).indices
    classification = cross_entropy[is_positive].sum() + cross_entropy.flatten()[negatives].sum()
    wanted_boxes = [
        each.boxes_M4[one[one >= 0]] for each, one in zip(targets, face, strict=True)
    ]
    anchors = predictions.anchors_A4.expand(len(matches), -1, -1)[is_positive]
    boxes = decode(predictions.deltas_BA4[is_positive].float(), anchors)
    box = distance_iou_loss(boxes, torch.cat(wanted_boxes)).sum()
    divisor = max(1, positives)
    return ShotLoss(classification / divisor, box / divisor, positives)


def two_shot_loss(
    first: Predictions | None,
    second: Predictions,
    targets: Sequence[Targets],
    match_config: MatchConfig,
    config: LossConfig,
) -> Losses:
    """L = L_second + weight * L_first (DSFD's progressive anchor loss)."""
    shots = []
    for predictions in (second, first):
        if predictions is None:
            continue
        matches = [match(predictions.anchors_A4, each, match_config) for each in targets]
        shots.append(detection_loss(predictions, matches, targets, config))
    totals = [shot.classification + config.box_weight * shot.box for shot in shots]
    if len(shots) == 1:
        return Losses(totals[0], shots[0], None)
    return Losses(totals[0] + config.first_shot_weight * totals[1], shots[0], shots[1])

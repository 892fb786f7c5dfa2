"""The detection loss: cross-entropy with hard negatives and DIoU, over two shots."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nasface.errors import ConfigError
from nasface.faces.boxes import decode, distance_iou_loss
from nasface.faces.matching import BACKGROUND, IGNORED, MatchConfig, Matches, match
from nasface.faces.types import Predictions, Targets


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the parts of the loss."""

    classification: Literal["hard_negatives", "focal"] = "hard_negatives"
    """Cross-entropy over positives and the hardest negatives (the paper's), or the focal loss over
    all anchors, which learns faster where the backbone starts from nothing."""
    box_weight: float = 2.0
    """Weight of the box loss beside the classification loss."""
    negatives_per_positive: float = 3.0
    """Hardest negatives per positive anchor."""
    min_negatives: int = 16
    """Fewest negatives per image of a batch, so that images without faces teach too."""
    first_shot_weight: float = 1.0
    """Weight of the first shot beside the second."""
    focal_gamma: float = 2.0
    """Exponent with which the focal loss fades anchors that are already right."""
    focal_alpha: float = 0.75
    """Weight of positives in the focal loss; negatives have the rest."""

    def __post_init__(self) -> None:
        settings = {name: value for name, value in vars(self).items() if name != "classification"}
        if not all(0 <= value < math.inf for value in settings.values()):
            listed = ", ".join(f"{name} {value}" for name, value in settings.items())
            raise ConfigError(f"{listed}: expected finite numbers, 0 or more")


class ShotLoss(NamedTuple):
    """The loss of one shot: scalars, summed over a batch and divided by ``positives`` (or 1).

    ``positives`` is the number of anchors that belong to a face.
    """

    classification: Tensor
    box: Tensor
    positives: int


class Losses(NamedTuple):
    """The weighted ``total`` and its parts; ``first`` is None where there was no first shot."""

    total: Tensor
    second: ShotLoss
    first: ShotLoss | None


def detection_loss(
    predictions: Predictions,
    matches: Sequence[Matches],
    targets: Sequence[Targets],
    config: LossConfig,
) -> ShotLoss:
    """The loss of one shot on a batch of B images with as many matches and targets.

    Softmax cross-entropy over the positive anchors and the hardest negatives of the whole batch
    (SSD, arXiv 1512.02325, takes them image by image) or the focal loss (arXiv 1708.02002, here on
    the softmax of two classes), DIoU over the boxes of the positives.
    Ignored anchors take no part. In float32 whatever the dtype of the predictions; finite, as is
    its gradient, without faces.
    """
    face = torch.stack([each.face_A for each in matches])
    is_positive = face >= 0
    positives = int(is_positive.sum())
    errors = cross_entropy(
        predictions.logits_BA2.flatten(0, 1).float(), is_positive.flatten().long(), reduction="none"
    )
    choose = _focal if config.classification == "focal" else _hard_negatives
    classification = choose(errors, face.flatten(), config, len(matches))
    boxes = decode(
        predictions.deltas_BA4[is_positive].float(),
        predictions.anchors_A4.expand(len(matches), -1, -1)[is_positive],
    )
    wanted_boxes = [each.boxes_M4[one[one >= 0]] for each, one in zip(targets, face, strict=True)]
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
    """L = L_second + ``first_shot_weight`` * L_first, each shot matched with its own anchors.

    DSFD's progressive anchor loss (arXiv 1810.10220, section 3.3), with DIoU as in ASFD.
    """
    of_second = _shot_loss(second, targets, match_config, config)
    total = _weighted(of_second, config)
    if first is None:
        return Losses(total, of_second, None)
    of_first = _shot_loss(first, targets, match_config, config)
    total = total + config.first_shot_weight * _weighted(of_first, config)
    return Losses(total, of_second, of_first)


def _shot_loss(
    shot: Predictions, targets: Sequence[Targets], match_config: MatchConfig, config: LossConfig
) -> ShotLoss:
    matches = [match(shot.anchors_A4, each, match_config) for each in targets]
    return detection_loss(shot, matches, targets, config)


def _weighted(shot: ShotLoss, config: LossConfig) -> Tensor:
    return shot.classification + config.box_weight * shot.box


def _hard_negatives(errors_K: Tensor, face_K: Tensor, config: LossConfig, images: int) -> Tensor:
    is_positive = face_K >= 0
    wanted = max(
        int(config.negatives_per_positive * int(is_positive.sum())), config.min_negatives * images
    )
    negatives = _hardest(errors_K.detach(), face_K == BACKGROUND, wanted)
    return errors_K[is_positive].sum() + errors_K[negatives].sum()


def _focal(errors_K: Tensor, face_K: Tensor, config: LossConfig, images: int) -> Tensor:
    """Cross-entropy e = -log p of the true class, weighted by alpha * (1 - p) ** gamma."""
    weight_K = torch.where(face_K >= 0, config.focal_alpha, 1 - config.focal_alpha)
    # 1 - exp(-e) through expm1 keeps its digits, and its gradient, where e is small.
    fading_K = (-torch.expm1(-errors_K)).clamp(min=1e-8) ** config.focal_gamma
    return (weight_K * fading_K * errors_K)[face_K != IGNORED].sum()


def _hardest(errors_K: Tensor, is_negative_K: Tensor, wanted: int) -> Tensor:
    """Indices of the ``wanted`` negatives (or all, if fewer) with the largest errors."""
    available = int(is_negative_K.sum())
    return errors_K.masked_fill(~is_negative_K, -torch.inf).topk(min(wanted, available)).indices

"""The detection loss: classification with hard negatives and boxes by their overlap, two shots.

ASFD's DRMC loss is the box loss ``diou`` with a margin in the softmax (section 3.4 of the paper).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot, smooth_l1_loss

from nasface.detection.boxes import decode, encode, overlap_loss
from nasface.detection.matching import BACKGROUND, IGNORED, MatchConfig, Matches, match
from nasface.errors import ConfigError
from nasface.structures import Predictions, ShotPair, Targets

BoxLoss = Literal["diou", "giou", "ciou", "smooth_l1"]


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the parts of the loss."""

    classification: Literal["hard_negatives", "focal"] = "hard_negatives"
    """Cross-entropy over positives and the hardest negatives (the paper's), or the focal loss over
    all anchors, which learns faster where the backbone starts from nothing."""
    logit_margin: float = 0.0
    """Taken off the logit of the true class, on the scale of a cosine (with the classifier `cosine`
    it is multiplied by its scale); DRMC has 0.2. Hard negatives are chosen without it."""
    box: BoxLoss = "diou"
    """Loss of the boxes of positive anchors: by overlap, or smooth L1 of their coded offsets."""
    box_weight: float = 2.0
    """Weight of the box loss beside the classification loss."""
    negatives_per_positive: float = 3.0
    """Hardest negatives per positive anchor."""
    min_negatives: int = 16
    """Fewest negatives per image of a batch, so that images without faces teach too."""
    first_shot_weight: float = 1.0
    """Weight of the first shot beside the second; at 0 it is not computed, which takes a
    quarter off the steps of the small models."""
    focal_gamma: float = 2.0
    """Exponent with which the focal loss fades anchors that are already right."""
    focal_alpha: float = 0.75
    """Weight of positives in the focal loss; negatives have the rest."""

    def __post_init__(self) -> None:
        words = ("classification", "box")
        settings = {name: value for name, value in vars(self).items() if name not in words}
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


class LossParts(NamedTuple):
    """The weighted ``total`` and what it is made of, scalars.

    ``classification``, ``box`` and ``positives`` are those of the second shot; ``first_shot`` is
    the loss of the first shot before its weight, None where there was none.
    """

    total: Tensor
    classification: Tensor
    box: Tensor
    positives: int
    first_shot: Tensor | None = None

    def figures(self) -> dict[str, Tensor]:
        """The parts by the names under which they are logged."""
        found = {
            "classification_loss": self.classification,
            "box_loss": self.box,
            "positives": torch.tensor(self.positives, device=self.total.device),
        }
        if self.first_shot is not None:
            found["first_shot_loss"] = self.first_shot
        return found


class DetectionLoss:
    """The training loss of a detector: L = L_second + ``first_shot_weight`` * L_first.

    DSFD's progressive anchor loss (arXiv 1810.10220, section 3.3), with DIoU as in ASFD. Each shot
    is matched with its own anchors.
    """

    def __init__(self, match: MatchConfig, loss: LossConfig) -> None:
        self.match, self.config = match, loss

    @property
    def uses_first_shot(self) -> bool:
        """Whether the first shot has a weight; without, it need not be computed."""
        return self.config.first_shot_weight > 0

    def __call__(self, shots: ShotPair, targets: Sequence[Targets]) -> LossParts:
        """The loss of a batch of B images with as many targets."""
        second = self._shot(shots.second, targets)
        total = self._weighted(second)
        if shots.first is None:
            return LossParts(total, *second)
        first = self._weighted(self._shot(shots.first, targets))
        return LossParts(total + self.config.first_shot_weight * first, *second, first)

    def _shot(self, shot: Predictions, targets: Sequence[Targets]) -> ShotLoss:
        matches = [match(shot.anchors_A4, each, self.match) for each in targets]
        return shot_loss(shot, matches, targets, self.config)

    def _weighted(self, shot: ShotLoss) -> Tensor:
        return shot.classification + self.config.box_weight * shot.box


def shot_loss(
    predictions: Predictions,
    matches: Sequence[Matches],
    targets: Sequence[Targets],
    config: LossConfig,
) -> ShotLoss:
    """The loss of one shot on a batch of B images with as many matches and targets.

    Softmax cross-entropy over the positive anchors and the hardest negatives of the whole batch
    (SSD, arXiv 1512.02325, takes them image by image) or the focal loss (arXiv 1708.02002, here on
    the softmax of two classes), and the box loss over the positives.
    Ignored anchors take no part. In float32 whatever the dtype of the predictions; finite, as is
    its gradient, without faces.
    """
    face = torch.stack([each.face_A for each in matches])
    is_positive = face >= 0
    positives = int(is_positive.sum())
    logits_K2 = predictions.logits_BA2.flatten(0, 1).float()
    class_K = is_positive.flatten().long()
    errors_K = cross_entropy(logits_K2, class_K, reduction="none")
    hard_K = errors_K.detach()
    if config.logit_margin:
        margins_K2 = config.logit_margin * predictions.scale * one_hot(class_K, 2)
        errors_K = cross_entropy(logits_K2 - margins_K2, class_K, reduction="none")
    if config.classification == "focal":
        classification = _focal(errors_K, face.flatten(), config)
    else:
        classification = _hard_negatives(errors_K, hard_K, face.flatten(), config, len(matches))
    wanted_boxes = [each.boxes_M4[one[one >= 0]] for each, one in zip(targets, face, strict=True)]
    box = _box_loss(
        predictions.deltas_BA4[is_positive].float(),
        predictions.anchors_A4.expand(len(matches), -1, -1)[is_positive],
        torch.cat(wanted_boxes),
        config,
    )
    divisor = max(1, positives)
    return ShotLoss(classification / divisor, box / divisor, positives)


def _box_loss(
    deltas_P4: Tensor, anchors_P4: Tensor, boxes_P4: Tensor, config: LossConfig
) -> Tensor:
    """Summed over the P positive anchors."""
    if config.box == "smooth_l1":
        return smooth_l1_loss(deltas_P4, encode(boxes_P4, anchors_P4), reduction="sum")
    return overlap_loss(decode(deltas_P4, anchors_P4), boxes_P4, config.box).sum()


def _hard_negatives(
    errors_K: Tensor, hard_K: Tensor, face_K: Tensor, config: LossConfig, images: int
) -> Tensor:
    """Errors of the positives and of the negatives that ``hard_K`` puts first."""
    is_positive = face_K >= 0
    wanted = max(
        int(config.negatives_per_positive * int(is_positive.sum())), config.min_negatives * images
    )
    negatives = _hardest(hard_K, face_K == BACKGROUND, wanted)
    return errors_K[is_positive].sum() + errors_K[negatives].sum()


def _focal(errors_K: Tensor, face_K: Tensor, config: LossConfig) -> Tensor:
    """Cross-entropy e = -log p of the true class, weighted by alpha * (1 - p) ** gamma."""
    weight_K = torch.where(face_K >= 0, config.focal_alpha, 1 - config.focal_alpha)
    # 1 - exp(-e) through expm1 keeps its digits, and its gradient, where e is small.
    fading_K = (-torch.expm1(-errors_K)).clamp(min=1e-8) ** config.focal_gamma
    return (weight_K * fading_K * errors_K)[face_K != IGNORED].sum()


def _hardest(errors_K: Tensor, is_negative_K: Tensor, wanted: int) -> Tensor:
    """Indices of the ``wanted`` negatives (or all, if fewer) with the largest errors."""
    available = int(is_negative_K.sum())
    return errors_K.masked_fill(~is_negative_K, -torch.inf).topk(min(wanted, available)).indices

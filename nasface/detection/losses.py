"""The detection loss over both shots: classification, and overlap of the boxes.

ASFD's DRMC loss is the box loss ``diou`` with a margin in the softmax (section 3.4 of the paper).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from nasface.detection.assignment import ASSIGNERS
from nasface.detection.boxes import decode, encode, overlap_loss, paired_iou
from nasface.detection.classification_losses import CLASSIFICATION_LOSSES, AnchorScores
from nasface.detection.matching import MatchConfig, Matches
from nasface.errors import ConfigError
from nasface.kinds import Settings
from nasface.structures import Predictions, ShotPair, Targets

BoxLoss = Literal["diou", "giou", "ciou", "smooth_l1"]


@dataclass(frozen=True, kw_only=True)
class LossConfig(Settings):
    """Weights of the parts of the loss."""

    classification: str = "hard_negatives"
    """hard_negatives: cross-entropy over positives and the hardest negatives (the paper's);
    hard_negatives_per_image: the same, with the negatives of each image counted by its own
    positives; focal: focal loss over all anchors, which learns faster where the backbone starts
    from nothing; quality_focal: focal loss towards the overlap of the predicted box, with boxes
    weighted by their score."""
    logit_margin: float = 0.0
    """Margin subtracted from the logit of the true class, on the scale of a cosine (the classifier
    `cosine` multiplies it by its scale); DRMC has 0.2. Hard negatives are chosen without it."""
    box: BoxLoss = "diou"
    """Loss of the boxes of positive anchors: by overlap, or smooth L1 of their coded offsets."""
    box_weight: float = 2.0
    """Weight of the box loss relative to the classification loss."""
    negatives_per_positive: float = 3.0
    """Hardest negatives per positive anchor."""
    min_negatives: int = 16
    """Fewest negatives per image of a batch, so that images without faces contribute too."""
    first_shot_weight: float = 1.0
    """Weight of the first shot's loss relative to the second's; at 0 it is not computed, which
    makes the steps of the small models a quarter faster."""
    focal_gamma: float = 2.0
    """Exponent by which the focal losses reduce the weight of anchors that are already right."""
    focal_alpha: float = 0.75
    """Weight of positives in the focal loss; that of negatives is 1 minus it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        CLASSIFICATION_LOSSES.find(self.classification, "loss.classification")
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
    the loss of the first shot and ``teacher`` that of what a teacher found, both before their
    weights, None where there was none.
    """

    total: Tensor
    classification: Tensor
    box: Tensor
    positives: int
    first_shot: Tensor | None = None
    teacher: Tensor | None = None

    def figures(self) -> dict[str, Tensor]:
        """Return the parts by the names under which they are logged."""
        found = {
            "classification_loss": self.classification,
            "box_loss": self.box,
            "positives": torch.tensor(self.positives, device=self.total.device),
        }
        if self.first_shot is not None:
            found["first_shot_loss"] = self.first_shot
        if self.teacher is not None:
            found["teacher_loss"] = self.teacher
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
        """Whether the first shot has a weight; if not, it need not be computed."""
        return self.config.first_shot_weight > 0

    def __call__(self, shots: ShotPair, targets: Sequence[Targets]) -> LossParts:
        """Return the loss of a batch of B images with as many targets."""
        second = self._shot(shots.second, targets)
        total = self._weighted(second)
        if shots.first is None:
            return LossParts(total, *second)
        first = self._weighted(self._shot(shots.first, targets))
        return LossParts(total + self.config.first_shot_weight * first, *second, first)

    def assign(self, shot: Predictions, targets: Sequence[Targets]) -> list[Matches]:
        """Return the face that each anchor of a shot belongs to, image by image."""
        return ASSIGNERS.find(self.match.assignment)(shot, targets, self.match)

    def of(
        self, shot: Predictions, matches: Sequence[Matches], targets: Sequence[Targets]
    ) -> Tensor:
        """Return the loss of one shot, whose anchors are assigned."""
        return self._weighted(shot_loss(shot, matches, targets, self.config))

    def _shot(self, shot: Predictions, targets: Sequence[Targets]) -> ShotLoss:
        return shot_loss(shot, self.assign(shot, targets), targets, self.config)

    def _weighted(self, shot: ShotLoss) -> Tensor:
        return shot.classification + self.config.box_weight * shot.box


def shot_loss(
    predictions: Predictions,
    matches: Sequence[Matches],
    targets: Sequence[Targets],
    config: LossConfig,
) -> ShotLoss:
    """Return the loss of one shot on a batch of B images with as many matches and targets.

    It is the classification loss that the settings name, and the box loss over the positive
    anchors: summed, or averaged with the predicted probabilities as weights if the classification
    loss asks for that. Ignored anchors do not count. Computed in float32 for any dtype of the
    predictions; finite, and so is its gradient, for images without faces.
    """
    face = torch.stack([each.face_A for each in matches])
    is_positive = face >= 0
    positives = int(is_positive.sum())
    logits_BA2 = predictions.logits_BA2.float()
    wanted = [each.boxes_M4[one[one >= 0]] for each, one in zip(targets, face, strict=True)]
    deltas_P4 = predictions.deltas_BA4[is_positive].float()
    anchors_P4 = predictions.anchors_A4.expand(len(matches), -1, -1)[is_positive]
    wanted_P4 = torch.cat(wanted)
    loss = CLASSIFICATION_LOSSES.find(config.classification)
    quality_BA = torch.zeros_like(logits_BA2[..., 0])
    if loss.needs_quality:
        quality_BA[is_positive] = paired_iou(decode(deltas_P4.detach(), anchors_P4), wanted_P4)
    scores = AnchorScores(
        logits_BA2.flatten(0, 1),
        face.flatten(),
        quality_BA.flatten(),
        config.logit_margin * predictions.scale,
        len(matches),
    )
    divisor = max(1, positives)
    classification = loss.compute(scores, config) / divisor
    box_P = _box_losses(deltas_P4, anchors_P4, wanted_P4, config)
    if not loss.weighs_boxes:
        return ShotLoss(classification, box_P.sum() / divisor, positives)
    weight_P = logits_BA2[is_positive].detach().softmax(1)[:, 1]
    box = (weight_P * box_P).sum() / weight_P.sum().clamp(min=1.0)
    return ShotLoss(classification, box, positives)


def _box_losses(
    deltas_P4: Tensor, anchors_P4: Tensor, boxes_P4: Tensor, config: LossConfig
) -> Tensor:
    """Return the loss of each of the P positive anchors, (P,)."""
    if config.box == "smooth_l1":
        return smooth_l1_loss(deltas_P4, encode(boxes_P4, anchors_P4), reduction="none").sum(1)
    return overlap_loss(decode(deltas_P4, anchors_P4), boxes_P4, config.box)

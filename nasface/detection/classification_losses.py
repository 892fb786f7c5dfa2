"""Losses of the two classes, background and face, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot, softplus

from nasface.detection.matching import BACKGROUND, IGNORED
from nasface.errors import check_kind
from nasface.registry import Registry

if TYPE_CHECKING:
    from nasface.detection.losses import LossConfig


@dataclass(frozen=True, eq=False)
class AnchorScores:
    """Predictions of the K anchors of a batch, and the faces they belong to.

    ``logits_K2`` float32 of background and face; ``face_K`` the face of each anchor, or BACKGROUND
    or IGNORED; ``quality_K`` the IoU of the predicted box with the face, 0 without one. ``margin``
    is taken off the logit of the true class; ``images`` is the number of images of the batch.
    """

    logits_K2: Tensor
    face_K: Tensor
    quality_K: Tensor
    margin: float
    images: int

    def errors_K(self, *, with_margin: bool = True) -> Tensor:
        """Return the cross-entropy of each anchor."""
        background_K, face_K = self.logits_K2.unbind(1)
        wrong_K = torch.where(self.face_K >= 0, background_K - face_K, face_K - background_K)
        # Of two classes, log(1 + exp(wrong - right)): a quarter of the time of a softmax over them.
        return softplus(wrong_K + self.margin if with_margin else wrong_K)


@dataclass(frozen=True)
class ClassificationLoss:
    """A loss of the classes.

    ``compute`` gives its sum over the anchors of a batch, a scalar. ``needs_quality``: it reads
    ``quality_K``. ``weighs_boxes``: the box loss weighs each anchor by its predicted probability,
    as in generalized focal loss.
    """

    compute: "Callable[[AnchorScores, LossConfig], Tensor]"
    needs_quality: bool = False
    weighs_boxes: bool = False


CLASSIFICATION_LOSSES: Registry[ClassificationLoss] = Registry("classification loss")
"""Name -> loss."""


def register_classification_loss(name: str, loss: ClassificationLoss) -> None:
    """Add a loss; ``--loss.classification`` may then name it.

    Raises:
        ConfigError: if the name is taken, or for a function alone.
    """
    check_kind(f"classification loss {name!r}", loss, ClassificationLoss, "a ClassificationLoss")
    CLASSIFICATION_LOSSES.add(name, loss)


def hard_negatives(scores: AnchorScores, config: "LossConfig") -> Tensor:
    """Return the softmax cross-entropy of the positives and of the hardest negatives of the whole
    batch.

    The margin does not count in the choice.
    """
    is_positive_K = scores.face_K >= 0
    wanted = max(
        int(config.negatives_per_positive * int(is_positive_K.sum())),
        config.min_negatives * scores.images,
    )
    errors_K = scores.errors_K()
    hard_K = (scores.errors_K(with_margin=False) if scores.margin else errors_K).detach()
    is_negative_K = scores.face_K == BACKGROUND
    kept = min(wanted, int(is_negative_K.sum()))
    negatives = hard_K.masked_fill(~is_negative_K, -torch.inf).topk(kept).indices
    return errors_K[is_positive_K].sum() + errors_K[negatives].sum()


def hard_negatives_per_image(scores: AnchorScores, config: "LossConfig") -> Tensor:
    """Return the same as ``hard_negatives``, with the negatives chosen and counted image by image.

    As in SSD (arXiv 1512.02325, section 2.2), so that images with few faces give few negatives.
    """
    errors_K = scores.errors_K()
    hard_K = (scores.errors_K(with_margin=False) if scores.margin else errors_K).detach()
    face_BA = scores.face_K.view(scores.images, -1)
    is_negative_BA = face_BA == BACKGROUND
    hard_BA = hard_K.view_as(face_BA).masked_fill(~is_negative_BA, -torch.inf)
    wanted_B = (config.negatives_per_positive * (face_BA >= 0).sum(1)).long()
    wanted_B = wanted_B.clamp(min=config.min_negatives)
    # The rank of an anchor among those of its image, the hardest first.
    rank_BA = hard_BA.argsort(1, descending=True).argsort(1)
    is_chosen_BA = is_negative_BA & (rank_BA < wanted_B[:, None])
    return errors_K[((face_BA >= 0) | is_chosen_BA).flatten()].sum()


def focal(scores: AnchorScores, config: "LossConfig") -> Tensor:
    """Return the focal loss (Lin et al., ICCV 2017, arXiv 1708.02002), here on the softmax of two
    classes.

    Cross-entropy e = -log p of the true class, weighted by alpha * (1 - p) ** gamma.
    """
    errors_K = scores.errors_K()
    weight_K = torch.where(scores.face_K >= 0, config.focal_alpha, 1 - config.focal_alpha)
    # 1 - exp(-e) through expm1 keeps its digits, and its gradient, where e is small.
    fading_K = (-torch.expm1(-errors_K)).clamp(min=1e-8) ** config.focal_gamma
    return (weight_K * fading_K * errors_K)[scores.face_K != IGNORED].sum()


def quality_focal(logit_K: Tensor, target_K: Tensor, exponent: float = 2.0) -> Tensor:
    """Return the quality focal loss (K,) of probabilities towards targets in [0, 1].

    Generalized focal loss (Li et al., NeurIPS 2020, arXiv 2006.04388, equation 5): cross-entropy
    with a soft target, weighted by ``|target - probability| ** exponent``.
    """
    distance_K = (target_K - logit_K.sigmoid()).abs()
    errors_K = binary_cross_entropy_with_logits(logit_K, target_K, reduction="none")
    return distance_K**exponent * errors_K


def quality(scores: AnchorScores, config: "LossConfig") -> Tensor:
    """Return the quality focal loss of a face's probability towards the IoU of its predicted box.

    The probability is the softmax of two logits, so the sigmoid of their difference; that of
    background goes towards 0.
    """
    logits_K2 = scores.logits_K2
    if scores.margin:
        logits_K2 = logits_K2 - scores.margin * one_hot((scores.face_K >= 0).long(), 2)
    logit_K = logits_K2[:, 1] - logits_K2[:, 0]
    errors_K = quality_focal(logit_K, scores.quality_K, config.focal_gamma)
    return errors_K[scores.face_K != IGNORED].sum()


register_classification_loss("hard_negatives", ClassificationLoss(hard_negatives))
register_classification_loss(
    "hard_negatives_per_image", ClassificationLoss(hard_negatives_per_image)
)
register_classification_loss("focal", ClassificationLoss(focal))
register_classification_loss(
    "quality_focal", ClassificationLoss(quality, needs_quality=True, weighs_boxes=True)
)

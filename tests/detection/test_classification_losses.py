"""Quality focal loss, and the loss of a shot with it, against literal sums."""

import math

import pytest
import torch
from registries import restored
from torch import Tensor

from nasface.detection.boxes import decode, encode, iou, overlap_loss
from nasface.detection.classification_losses import (
    AnchorScores,
    ClassificationLoss,
    quality_focal,
    register_classification_loss,
)
from nasface.detection.losses import LossConfig, shot_loss
from nasface.detection.matching import IGNORED, Matches
from nasface.errors import ConfigError
from nasface.structures import Predictions, Targets

QUALITY = LossConfig(classification="quality_focal", box="giou")


def test_quality_focal_is_the_papers_equation() -> None:
    logit = torch.tensor([-1.0, 0.3, 2.0])
    target = torch.tensor([0.0, 0.7, 1.0])
    for at, (z, y) in enumerate(zip(logit.tolist(), target.tolist(), strict=True)):
        s = 1 / (1 + math.exp(-z))
        wanted = -(abs(y - s) ** 2) * ((1 - y) * math.log(1 - s) + y * math.log(s))
        assert quality_focal(logit, target)[at].item() == pytest.approx(wanted, rel=1e-5)


def test_quality_focal_is_zero_where_probability_and_target_agree() -> None:
    logit = torch.linspace(-3, 3, 7)
    assert quality_focal(logit, logit.sigmoid()).abs().max() < 1e-12


def example() -> tuple[Predictions, list[Matches], list[Targets]]:
    """Two images of six anchors and three faces."""
    torch.manual_seed(0)
    low = 40 * torch.rand(6, 2)
    anchors = torch.cat([low, low + 10 + 10 * torch.rand(6, 2)], dim=1)
    predictions = Predictions(torch.randn(2, 6, 2), torch.randn(2, 6, 4), anchors)
    boxes = torch.rand(2, 3, 4) * 20
    boxes[..., 2:] += boxes[..., :2] + 5
    owner = torch.tensor([[0, -1, 2, 2, -1, IGNORED], [-1, -1, -1, -1, -1, 0]])
    none = torch.zeros(3, dtype=torch.bool)
    return predictions, [Matches(each) for each in owner], [Targets(each, none) for each in boxes]


def test_the_loss_of_a_shot_is_the_sum_over_its_anchors() -> None:
    predictions, matches, targets = example()
    classes, weighted, weights, positives = *torch.zeros(3), 0
    for image in range(2):
        found = decode(predictions.deltas_BA4[image], predictions.anchors_A4)
        for anchor in range(6):
            logits, face = predictions.logits_BA2[image, anchor], int(matches[image].face_A[anchor])
            if face == IGNORED:
                continue
            target = torch.tensor(0.0)
            if face >= 0:
                mine = found[anchor : anchor + 1]
                its = targets[image].boxes_M4[face : face + 1]
                target = iou(mine, its)[0, 0]
                weight = logits.softmax(0)[1]
                weighted += weight * overlap_loss(mine, its, "giou")[0]
                weights += weight
                positives += 1
            classes += quality_focal((logits[1] - logits[0])[None], target[None])[0]
    loss = shot_loss(predictions, matches, targets, QUALITY)
    assert loss.positives == positives == 4
    torch.testing.assert_close(loss.classification, classes / positives)
    torch.testing.assert_close(loss.box, weighted / max(weights, torch.tensor(1.0)))


def test_a_margin_comes_off_the_logit_of_the_true_class() -> None:
    predictions, matches, targets = example()
    moved = predictions.logits_BA2.clone()
    for image, each in enumerate(matches):
        for anchor, face in enumerate(each.face_A.tolist()):
            moved[image, anchor, int(face >= 0)] -= 0.3
    config = LossConfig(classification="quality_focal", logit_margin=0.3)
    plain = LossConfig(classification="quality_focal")
    loss = shot_loss(predictions, matches, targets, config)
    wanted = shot_loss(predictions._replace(logits_BA2=moved), matches, targets, plain)
    torch.testing.assert_close(loss.classification, wanted.classification)


def test_boxes_that_fit_cost_nothing_and_gradients_are_finite() -> None:
    predictions, matches, targets = example()
    faces = zip(matches, targets, strict=True)
    wanted = [each.boxes_M4[match.face_A.clamp(min=0)] for match, each in faces]
    fitting = torch.stack([encode(each, predictions.anchors_A4) for each in wanted])
    assert shot_loss(predictions._replace(deltas_BA4=fitting), matches, targets, QUALITY).box < 1e-4
    deltas: Tensor = (50 * torch.randn(2, 6, 4)).requires_grad_()
    none = [Matches(torch.full((6,), -1))] * 2
    for each in (matches, none):
        loss = shot_loss(predictions._replace(deltas_BA4=deltas), each, targets, QUALITY)
        (loss.box + loss.classification).backward()
        assert deltas.grad is not None
        assert deltas.grad.isfinite().all()


def test_a_loss_from_outside_is_used_by_its_name() -> None:
    def count(scores: AnchorScores, config: LossConfig) -> Tensor:
        return (scores.face_K >= 0).sum().float()

    with pytest.raises(ConfigError, match=r"loss.classification: unknown .*quality_focal"):
        LossConfig(classification="counted")
    with restored():
        register_classification_loss("counted", ClassificationLoss(count))
        loss = shot_loss(*example(), LossConfig(classification="counted"))
    assert loss.classification == 1

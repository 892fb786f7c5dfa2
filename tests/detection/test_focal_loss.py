"""Focal loss and the margin of the classification loss, against sums written out."""

import math

import pytest
import torch
from predictions import ANCHORS, backward, make_predictions, make_targets

from nasface.detection.losses import LossConfig, shot_loss
from nasface.detection.matching import BACKGROUND, IGNORED, MatchConfig, Matches, match
from nasface.structures import Predictions


def test_focal_loss_equals_the_loop_over_anchors() -> None:
    predictions = make_predictions(1, seed=3)
    faces = [BACKGROUND] * len(ANCHORS)
    faces[0], faces[1] = 0, IGNORED
    target = make_targets([0, 0, 10, 12])
    config = LossConfig(classification="focal", focal_alpha=0.7, focal_gamma=1.5)
    loss = shot_loss(predictions, [Matches(torch.tensor(faces))], [target], config)
    expected = 0.0
    for at, face in enumerate(faces):
        background, of_face = map(math.exp, predictions.logits_BA2[0, at].tolist())
        right = (of_face if face >= 0 else background) / (background + of_face)
        weight = 0.7 if face >= 0 else 0.3
        if face != IGNORED:
            expected -= weight * (1 - right) ** 1.5 * math.log(right)
    assert float(loss.classification.detach()) == pytest.approx(expected, rel=1e-4)
    backward(loss.classification)
    assert predictions.logits_BA2.grad is not None
    assert predictions.logits_BA2.grad[0, 1].tolist() == [0.0, 0.0]


def test_focal_loss_of_certain_answers_is_finite() -> None:
    logits = torch.tensor([[[80.0, -80.0], [-80.0, 80.0]]]).requires_grad_()
    anchors = torch.tensor([[0.0, 0.0, 4.0, 4.0], [8.0, 8.0, 12.0, 12.0]])
    predictions = Predictions(logits, torch.zeros(1, 2, 4), anchors)
    faces = Matches(torch.tensor([BACKGROUND, 0]))
    target = make_targets([8, 8, 12, 12])
    loss = shot_loss(predictions, [faces], [target], LossConfig(classification="focal"))
    backward(loss.classification)
    assert float(loss.classification.detach()) == pytest.approx(0.0, abs=1e-6)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_a_margin_comes_off_the_logit_of_the_true_class(scale: float) -> None:
    """Recomputed by hand; the hard negatives are those without the margin."""
    predictions = make_predictions(1)._replace(scale=scale)
    target = make_targets((8, 8, 16, 20))
    matches = [match(ANCHORS, target, MatchConfig())]
    config = LossConfig(logit_margin=0.2, min_negatives=4, negatives_per_positive=0)
    plain = shot_loss(predictions, matches, [target], LossConfig(min_negatives=4))
    with_margin = shot_loss(predictions, matches, [target], config)
    background, face = predictions.logits_BA2[0].detach().double().T
    positive = matches[0].face_A >= 0
    hardness = torch.where(matches[0].face_A == BACKGROUND, face - background, -torch.inf)
    hardest = hardness.topk(4).indices
    shift = 0.2 * scale
    errors = torch.nn.functional.softplus(background[positive] - face[positive] + shift).sum()
    errors += torch.nn.functional.softplus(face[hardest] - background[hardest] + shift).sum()
    expected = float(errors / max(1, int(positive.sum())))
    assert float(with_margin.classification.detach()) == pytest.approx(expected, rel=1e-5)
    assert with_margin.box == plain.box

"""Quality focal loss and the loss of SCRFD against literal sums."""

import math

import pytest
import torch
from torch import Tensor

from nasface.detection.boxes import decode, encode, iou, overlap_loss
from nasface.detection.quality_loss import quality_focal, quality_loss
from nasface.structures import Predictions


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


def example() -> tuple[Predictions, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    low = 40 * torch.rand(6, 2)
    anchors = torch.cat([low, low + 10 + 10 * torch.rand(6, 2)], dim=1)
    predictions = Predictions(torch.randn(2, 6, 2), torch.randn(2, 6, 4), anchors)
    boxes = torch.rand(2, 3, 4) * 20
    boxes[..., 2:] += boxes[..., :2] + 5
    owner = torch.tensor([[0, -1, 2, 2, -1, 1], [-1, -1, -1, -1, -1, 0]])
    ignore = torch.tensor([[False, True, False], [False, False, False]])
    return predictions, owner, boxes, ignore


def test_quality_loss_is_the_sum_over_its_anchors() -> None:
    predictions, owner, boxes, ignore = example()
    classes, weighted, weights, positives = *torch.zeros(3), 0
    for image in range(2):
        found = decode(predictions.deltas_BA4[image], predictions.anchors_A4)
        for anchor in range(6):
            logits = predictions.logits_BA2[image, anchor]
            logit, face = logits[1] - logits[0], int(owner[image, anchor])
            if face >= 0 and ignore[image, face]:
                continue
            target = torch.tensor(0.0)
            if face >= 0:
                mine, its = found[anchor : anchor + 1], boxes[image, face : face + 1]
                target = iou(mine, its)[0, 0]
                weight = logits.softmax(0)[1]
                weighted += weight * overlap_loss(mine, its, "giou")[0]
                weights += weight
                positives += 1
            classes += quality_focal(logit[None], target[None])[0]
    loss = quality_loss(predictions, owner, boxes, ignore)
    assert loss.positives == positives == 4
    torch.testing.assert_close(loss.classification, classes / positives)
    torch.testing.assert_close(loss.box, weighted / max(weights, torch.tensor(1.0)))


def test_boxes_that_fit_cost_nothing_and_gradients_are_finite() -> None:
    predictions, owner, boxes, ignore = example()
    wanted = boxes.gather(1, owner.clamp(min=0)[..., None].expand(-1, -1, 4))
    fitting = torch.stack([encode(each, predictions.anchors_A4) for each in wanted])
    assert quality_loss(predictions._replace(deltas_BA4=fitting), owner, boxes, ignore).box < 1e-4
    deltas = (50 * torch.randn(2, 6, 4)).requires_grad_()
    none = torch.full_like(owner, -1)
    for owners in (owner, none):
        loss = quality_loss(predictions._replace(deltas_BA4=deltas), owners, boxes, ignore)
        (loss.box + loss.classification).backward()
        assert deltas.grad is not None
        assert deltas.grad.isfinite().all()

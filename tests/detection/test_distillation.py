"""What a student learns from a teacher, against loops over its anchors."""

import math

import pytest
import torch

from nasface.detection.anchors import AnchorConfig, make_anchors
from nasface.detection.boxes import decode, encode, overlap_loss
from nasface.detection.distillation import DistillationLoss, teach_anchors
from nasface.detection.matching import MatchConfig, match
from nasface.structures import Detections, GridLevel, Predictions, Targets

GRID = (GridLevel(8, 8, 8, 1), GridLevel(4, 4, 16, 1))
ANCHORS = make_anchors([each[:2] for each in GRID], [8, 16], AnchorConfig())
FOUND = [
    Detections(
        torch.tensor([[10.0, 8.0, 40.0, 50.0], [30.0, 30.0, 52.0, 60.0]]), torch.tensor([0.9, 0.3])
    ),
    Detections(torch.empty(0, 4), torch.empty(0)),
]


def predictions() -> Predictions:
    torch.manual_seed(0)
    shape = (2, len(ANCHORS))
    return Predictions(torch.randn(*shape, 2), torch.randn(*shape, 4), ANCHORS, grid=GRID)


@pytest.mark.parametrize("rule", ["overlap", "atss", "simota"])
def test_anchors_of_a_detection_have_its_score_and_box(rule: str) -> None:
    taught = teach_anchors(predictions(), FOUND, MatchConfig(assignment=rule))
    assert (taught.scores_BA[1] == 0).all()
    assert {round(each, 3) for each in taught.scores_BA[0].tolist()} == {0.0, 0.3, 0.9}
    for score, box in zip(taught.scores_BA[0], taught.boxes_BA4[0], strict=True):
        if score > 0:
            at = FOUND[0].scores_N.tolist().index(float(score))
            assert torch.equal(box, FOUND[0].boxes_N4[at])


def test_the_loss_is_the_sum_over_the_anchors() -> None:
    student = predictions()
    settings = MatchConfig(positive=0.3)
    loss = DistillationLoss(settings, 2.0)(student, FOUND)
    classes, boxes, scores = 0.0, 0.0, 0.0
    for image, found in enumerate(FOUND):
        none = torch.zeros(len(found), dtype=torch.bool)
        face_A = match(ANCHORS, Targets(found.boxes_N4, none), settings).face_A.tolist()
        decoded = decode(student.deltas_BA4[image], ANCHORS)
        for anchor, face in enumerate(face_A):
            background, of_face = student.logits_BA2[image, anchor].tolist()
            p = 1 / (1 + math.exp(background - of_face))
            score = float(found.scores_N[face]) if face >= 0 else 0.0
            error = -score * math.log(p) - (1 - score) * math.log(1 - p)
            classes += (score - p) ** 2 * error
            scores += score
            if face >= 0:
                pair = decoded[anchor : anchor + 1], found.boxes_N4[face : face + 1]
                boxes += score * float(overlap_loss(*pair, "diou")[0])
    assert float(loss) == pytest.approx((classes + 2 * boxes) / max(1.0, scores), rel=1e-4)


def test_a_student_that_says_the_same_is_right() -> None:
    taught = teach_anchors(predictions(), FOUND, MatchConfig())
    odds = torch.logit(taught.scores_BA.clamp(1e-6))
    boxes = torch.where(taught.scores_BA[..., None] > 0, taught.boxes_BA4, ANCHORS)
    deltas = torch.stack([encode(each, ANCHORS) for each in boxes])
    same = predictions()._replace(
        logits_BA2=torch.stack([torch.zeros_like(odds), odds], dim=2), deltas_BA4=deltas
    )
    assert float(DistillationLoss(MatchConfig(), 2.0)(same, FOUND)) < 1e-5


def test_nothing_found_teaches_background_and_gradients_are_finite() -> None:
    student = predictions()
    student.logits_BA2.requires_grad_()
    student.deltas_BA4.requires_grad_()
    DistillationLoss(MatchConfig(), 2.0)(student, [FOUND[1]] * 2).backward()
    assert student.logits_BA2.grad is not None
    assert (student.logits_BA2.grad[..., 1] > 0).all()
    DistillationLoss(MatchConfig(), 2.0)(student, FOUND).backward()
    assert student.deltas_BA4.grad is not None
    assert student.deltas_BA4.grad.isfinite().all()

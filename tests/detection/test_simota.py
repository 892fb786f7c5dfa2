"""SimOTA against a literal reading of the paper, pair by pair."""

import math

import pytest
import torch

from nasface.detection.anchors import AnchorConfig, make_anchors
from nasface.detection.boxes import decode, iou
from nasface.detection.losses import DetectionLoss, LossConfig
from nasface.detection.matching import BACKGROUND, IGNORED, MatchConfig
from nasface.detection.simota import assign_by_simota
from nasface.structures import GridLevel, Predictions, ShotPair, Targets

GRID = (GridLevel(12, 16, 8, 1), GridLevel(6, 8, 16, 1), GridLevel(3, 4, 32, 1))
ANCHORS = make_anchors([each[:2] for each in GRID], [8, 16, 32], AnchorConfig())
SIMOTA = MatchConfig(assignment="simota")


def random_predictions(images: int, seed: int) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, len(ANCHORS), 2, generator=generator)
    deltas = torch.randn(images, len(ANCHORS), 4, generator=generator)
    return Predictions(logits, deltas, ANCHORS, grid=GRID)


def random_faces(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, 2, generator=generator) * torch.tensor([128.0, 96.0])
    half = 2 + 50 * torch.rand(count, 2, generator=generator) ** 2
    return torch.cat([centre - half, centre + half], dim=1)


def literal(predictions: Predictions, image: int, boxes: torch.Tensor) -> list[int]:
    """The face of each anchor, by the rules as they are written."""
    strides = [each.stride for each in GRID for _ in range(each.rows * each.columns)]
    found = decode(predictions.deltas_BA4[image], ANCHORS)
    costs: dict[tuple[int, int], float] = {}
    overlaps: dict[tuple[int, int], float] = {}
    is_candidate = set()
    for anchor, stride in enumerate(strides):
        x, y = ((ANCHORS[anchor, :2] + ANCHORS[anchor, 2:]) / 2).tolist()
        background, face_logit = predictions.logits_BA2[image, anchor].tolist()
        probability = math.exp(face_logit) / (math.exp(background) + math.exp(face_logit))
        for face, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            inside = x1 < x < x2 and y1 < y < y2
            near = abs(x - (x1 + x2) / 2) < 2.5 * stride and abs(y - (y1 + y2) / 2) < 2.5 * stride
            if inside or near:
                is_candidate.add(anchor)
            overlap = float(iou(found[anchor : anchor + 1], boxes[face : face + 1]))
            overlaps[face, anchor] = overlap
            cost = -math.log(probability) - 3 * math.log(overlap + 1e-8)
            costs[face, anchor] = cost + (0 if inside and near else 1e5)
    takers: dict[int, list[int]] = {}
    for face in range(len(boxes)):
        best = sorted((overlaps[face, each] for each in is_candidate), reverse=True)[:10]
        wanted = max(1, int(sum(best)))
        for anchor in sorted(is_candidate, key=lambda each: costs[face, each])[:wanted]:
            takers.setdefault(anchor, []).append(face)
    owner = [BACKGROUND] * len(strides)
    for anchor, faces in takers.items():
        owner[anchor] = min(faces, key=lambda face: costs[face, anchor])
    return owner


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_the_paper_read_literally(seed: int) -> None:
    predictions = random_predictions(2, seed)
    targets = [Targets(random_faces(n, seed), torch.zeros(n, dtype=torch.bool)) for n in (9, 3)]
    for image, each in enumerate(assign_by_simota(predictions, targets, SIMOTA)):
        assert each.face_A.tolist() == literal(predictions, image, targets[image].boxes_M4)


def test_ignored_faces_ask_for_nothing_and_cover_background() -> None:
    predictions = random_predictions(1, 0)
    box = torch.tensor([[0.0, 0.0, 128.0, 96.0]])
    (match,) = assign_by_simota(predictions, [Targets(box, torch.tensor([True]))], SIMOTA)
    assert set(match.face_A.tolist()) <= {IGNORED, BACKGROUND}
    assert (match.face_A == IGNORED).sum() > 100


def test_images_without_faces_are_background() -> None:
    none = Targets(torch.empty(0, 4), torch.empty(0, dtype=torch.bool))
    (match,) = assign_by_simota(random_predictions(1, 0), [none], SIMOTA)
    assert (match.face_A == BACKGROUND).all()


def test_the_loss_of_two_shots_takes_it_by_name() -> None:
    predictions = random_predictions(1, 2)
    predictions.logits_BA2.requires_grad_()
    targets = [Targets(random_faces(4, 2), torch.zeros(4, dtype=torch.bool))]
    loss = DetectionLoss(SIMOTA, LossConfig(classification="quality_focal"))
    parts = loss(ShotPair(predictions, predictions), targets)
    (matches,) = assign_by_simota(predictions, targets, SIMOTA)
    assert parts.positives == int((matches.face_A >= 0).sum()) > 0
    parts.total.backward()
    assert predictions.logits_BA2.grad is not None
    assert predictions.logits_BA2.grad.isfinite().all()

"""Adaptive assignment against a literal reading of the paper, face by face."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from nasface.detection.anchors import AnchorConfig, make_anchors
from nasface.detection.atss import assign_adaptively, assign_by_atss
from nasface.detection.boxes import iou
from nasface.detection.matching import IGNORED, MatchConfig
from nasface.structures import GridLevel, Predictions, Targets

SIZES, STRIDES = [(12, 16), (6, 8), (3, 4)], [8, 16, 32]
SIDES = ((16.0, 32.0), (64.0, 128.0), (256.0, 512.0))


def literal(anchors: Tensor, levels: Sequence[int], boxes: Tensor, nearest: int = 9) -> Tensor:
    """Owner of each anchor, by the rules as they are written."""
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    best, owner = torch.full((len(anchors),), -1.0), torch.full((len(anchors),), -1)
    for face, box in enumerate(boxes):
        distance = (centres - (box[:2] + box[2:]) / 2).square().sum(1)
        chosen: list[int] = []
        first = 0
        for count in levels:
            order = distance[first : first + count].argsort(stable=True)[:nearest]
            chosen += (first + order).tolist()
            first += count
        overlap = iou(anchors[chosen], box[None])[:, 0]
        bound = overlap.mean() + overlap.std()
        positive = [
            at
            for at, candidate in enumerate(chosen)
            if overlap[at] >= bound
            and bool((centres[candidate] > box[:2]).all())
            and bool((centres[candidate] < box[2:]).all())
        ]
        if not positive and overlap.max() > 0:
            positive = [int(overlap.argmax())]
        for at in positive:
            if overlap[at] >= best[chosen[at]]:
                best[chosen[at]], owner[chosen[at]] = overlap[at], face
    return owner


@pytest.mark.parametrize("sides", [(), SIDES])
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_the_paper_read_literally(
    sides: tuple[tuple[float, ...], ...], seed: int
) -> None:
    torch.manual_seed(seed)
    anchors = make_anchors(SIZES, STRIDES, AnchorConfig(sides=sides, aspect=1.25))
    levels = [rows * columns * (2 if sides else 1) for rows, columns in SIZES]
    centre = torch.rand(3, 20, 2) * torch.tensor([128.0, 96.0])
    half = 2 + 60 * torch.rand(3, 20, 2) ** 2
    boxes = torch.cat([centre - half, centre + half], dim=2)
    exists = torch.rand(3, 20) < 0.8
    found = assign_adaptively(anchors, SIZES, STRIDES, boxes, exists)
    for image in range(3):
        there = torch.nonzero(exists[image]).squeeze(1)
        wanted = literal(anchors, levels, boxes[image, there])
        wanted = torch.where(wanted >= 0, there[wanted.clamp(min=0)], -1)
        assert torch.equal(found[image], wanted)


def test_a_face_between_the_centres_has_an_anchor() -> None:
    anchors = make_anchors(SIZES, STRIDES, AnchorConfig(sides=SIDES))
    box = torch.tensor([[[30.0, 30.0, 33.0, 33.0]]])
    found = assign_adaptively(anchors, SIZES, STRIDES, box, torch.ones(1, 1, dtype=torch.bool))
    assert (found == 0).sum() == 1


def test_padding_has_no_anchors() -> None:
    anchors = make_anchors(SIZES, STRIDES, AnchorConfig())
    none = torch.zeros(2, 4, dtype=torch.bool)
    found = assign_adaptively(anchors, SIZES, STRIDES, torch.zeros(2, 4, 4), none)
    assert (found == -1).all()


def test_a_batch_has_the_owners_of_its_images_and_ignores_what_they_ignore() -> None:
    torch.manual_seed(3)
    anchors = make_anchors(SIZES, STRIDES, AnchorConfig(sides=SIDES))
    grid = tuple(GridLevel(*size, each, 2) for size, each in zip(SIZES, STRIDES, strict=True))
    shape = (3, len(anchors))
    predictions = Predictions(torch.zeros(*shape, 2), torch.zeros(*shape, 4), anchors, grid=grid)
    targets = []
    for faces in (7, 0, 2):
        low = torch.rand(faces, 2) * 60
        boxes = torch.cat([low, low + 4 + 30 * torch.rand(faces, 2)], dim=1)
        targets.append(Targets(boxes, torch.arange(faces) % 2 == 1))
    found = assign_by_atss(predictions, targets, MatchConfig(assignment="atss"))
    for each, target in zip(found, targets, strict=True):
        wanted = literal(anchors, [384, 96, 24], target.boxes_M4)
        if len(target.boxes_M4):
            ignored = (wanted >= 0) & target.ignore_M[wanted.clamp(min=0)]
            wanted = wanted.masked_fill(ignored, IGNORED)
        assert torch.equal(each.face_A, wanted)
    (nothing,) = assign_by_atss(predictions, targets[1:2], MatchConfig())
    assert (nothing.face_A == -1).all()

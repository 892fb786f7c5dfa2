from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nasface.detection.boxes import encode
from nasface.errors import ConfigError
from nasface.inference.onnx_runtime import OnnxDetector
from nasface.inference.predict import (
    InferenceConfig,
    detect,
    detections_as_rows,
    suppress,
    vote,
)
from nasface.structures import Candidates, Detections, Predictions

ANCHORS = torch.tensor([[0.0, 0.0, 10.0, 12.0], [20.0, 20.0, 30.0, 32.0], [21.0, 20.0, 31.0, 32.0]])


def predictions(scores: list[float], boxes: torch.Tensor) -> Predictions:
    probability = torch.tensor(scores)
    logits = torch.stack([torch.zeros(3), torch.logit(probability)], dim=1)
    return Predictions(logits[None], encode(boxes, ANCHORS)[None], ANCHORS)


class Fixed(nn.Module):
    """Finds one face, the right half of whatever it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.seen: tuple[int, ...] = ()

    def forward(self, images: torch.Tensor) -> Predictions:
        self.seen = tuple(images.shape)
        height, width = images.shape[-2:]
        half = torch.tensor([[width / 2, 0.0, float(width), float(height)]])
        return Predictions(torch.tensor([[[0.0, 5.0]]]), torch.zeros(1, 1, 4), half)


def test_weak_and_covered_boxes_go() -> None:
    found = suppress(predictions([0.6, 0.9, 0.8], ANCHORS), InferenceConfig())
    torch.testing.assert_close(found.boxes_N4, ANCHORS[[1, 0]])
    torch.testing.assert_close(found.scores_N, torch.tensor([0.9, 0.6]))
    assert (
        len(suppress(predictions([0.6, 0.9, 0.8], ANCHORS), InferenceConfig(score_threshold=0.7)))
        == 1
    )
    assert len(suppress(predictions([0.6, 0.9, 0.8], ANCHORS), InferenceConfig(nms_iou=1.0))) == 3
    assert (
        len(suppress(predictions([0.6, 0.9, 0.8], ANCHORS), InferenceConfig(max_detections=1))) == 1
    )


@pytest.mark.parametrize("longer_side", [None, 64, 200, 77])
def test_boxes_are_in_pixels_of_the_image_whatever_the_test_size(longer_side: int | None) -> None:
    detector = Fixed()
    image = np.zeros((50, 100, 3), np.uint8)
    found = detect(detector, image, InferenceConfig(longer_side=longer_side))
    assert max(detector.seen) == (longer_side or 100)
    torch.testing.assert_close(found.boxes_N4, torch.tensor([[50.0, 0.0, 100.0, 50.0]]))


class Bright(nn.Module):
    """Finds the brightest rectangle, if its sides are those of faces that it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int]] = []

    def forward(self, images: torch.Tensor) -> Candidates:
        self.seen.append((images.shape[2], images.shape[3]))
        rows, columns = torch.nonzero(images[0, 0] > images[0, 0].max() - 0.1, as_tuple=True)
        box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
        known = 16 <= box[2] - box[0] <= 300
        return Candidates(box[None, None], torch.tensor([[0.9 if known else 0.0]]))


@pytest.mark.parametrize(("side", "at_original_size"), [(20, True), (180, True), (900, False)])
def test_octaves_find_faces_of_all_sizes(side: int, at_original_size: bool) -> None:
    image = np.zeros((1500, 2000, 3), np.uint8)
    image[100 : 100 + side, 200 : 200 + side] = 255
    once = detect(Bright(), image, InferenceConfig())
    assert (len(once.scores_N) == 1) is at_original_size
    network = Bright()
    (box,) = detect(network, image, InferenceConfig(preset="octaves")).boxes_N4.tolist()
    assert box == pytest.approx([200, 100, 200 + side, 100 + side], abs=4)
    assert network.seen == [(1500, 2000), (750, 1000), (375, 500)]


def test_octaves_of_a_small_image_are_the_image() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[100:150, 200:250] = 255
    network = Bright()
    found = detect(network, image, InferenceConfig(preset="octaves"))
    once = detect(Bright(), image, InferenceConfig())
    assert network.seen == [(480, 640)]
    torch.testing.assert_close(found.boxes_N4, once.boxes_N4, rtol=0, atol=0)


def test_octaves_give_a_file_of_one_size_that_size_alone() -> None:
    calls = []

    def run(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        calls.append(tuple(images.shape))
        return torch.tensor([[[0.0, 0, 900, 900]]]), torch.tensor([[0.9]])

    network = OnnxDetector(run, "boxes", None, (1, 3, 960, 1280))
    image = np.zeros((960, 1280, 3), np.uint8)
    (box,) = detect(network, image, InferenceConfig(preset="octaves")).boxes_N4.tolist()
    assert box == [0, 0, 900, 900]
    assert calls == [(1, 3, 960, 1280)]


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.9))
def test_octaves_from_a_score_on_are_what_all_settings_find(seed: int, score: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(60, 2, generator=generator) * 600
    sides = 10 + 300 * torch.rand(60, 2, generator=generator)
    boxes, scores = torch.cat([corners, corners + sides], 1), torch.rand(60, generator=generator)
    network = OnnxDetector(lambda images: (boxes[None], scores[None]), "boxes")
    image = np.zeros((900, 1200, 3), np.uint8)
    config = InferenceConfig(preset="octaves")
    every = detect(network, image, config)
    fewer = detect(network, image, config.finding_from(score))
    kept = every.scores_N >= score
    torch.testing.assert_close(fewer.boxes_N4, every.boxes_N4[kept], rtol=0, atol=0)


def test_rows_keep_names_boxes_and_scores_together() -> None:
    one = Detections(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([0.25]))
    none = Detections(torch.empty(0, 4), torch.empty(0))
    assert detections_as_rows(["a", "b"], [one, none]) == [
        {"image": "a", "boxes": [[1.0, 2.0, 3.0, 4.0]], "scores": [0.25]},
        {"image": "b", "boxes": [], "scores": []},
    ]


@pytest.mark.parametrize(
    "bad",
    [
        {"longer_side": 8},
        {"nms_iou": 0.0},
        {"score_threshold": 1.0},
        {"max_detections": 0},
        {"vote_iou": 0.0},
        {"vote_iou": 1.5},
    ],
)
def test_settings_out_of_range(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        InferenceConfig(**bad)


def overlap(one: list[float], other: list[float]) -> float:
    """IoU of two boxes, corner by corner."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (one, other)]
    return shared / (sum(areas) - shared) if sum(areas) > shared else 0


def literal_vote(
    boxes: list[list[float]], scores: list[float], at: int, least: float
) -> list[float]:
    """The box of one detection, moved as the docstring of ``vote`` says."""
    total, weights = [0.0] * 4, 0.0
    for box, score in zip(boxes, scores, strict=True):
        itself = box is boxes[at]
        if itself or (overlap(box, boxes[at]) >= least and score >= scores[at] / 4):
            total = [value + score * side for value, side in zip(total, box, strict=True)]
            weights += score
    return [value / weights for value in total]


# Sides of whole pixels, some of them zero, and scores that are no neighbours of a quarter.
BOXES = st.lists(
    st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(0, 9)] * 2, st.integers(1, 24)),
    min_size=1,
    max_size=12,
)


def candidates(
    drawn: list[tuple[int, int, int, int, int]],
) -> tuple[list[list[float]], list[float]]:
    boxes = [[float(x), float(y), float(x + w), float(y + h)] for x, y, w, h, _ in drawn]
    return boxes, [(score * 4 + 1) / 128 for *_, score in drawn]


@given(BOXES, st.sampled_from([0.31, 0.47, 0.61, 1.0]))
def test_box_voting_as_written_out(
    drawn: list[tuple[int, int, int, int, int]], least: float
) -> None:
    boxes, scores = candidates(drawn)
    kept = torch.arange(len(boxes))
    moved = vote(torch.tensor(boxes), torch.tensor(scores), kept, least)
    expected = [literal_vote(boxes, scores, at, least) for at in range(len(boxes))]
    torch.testing.assert_close(moved, torch.tensor(expected))


@given(BOXES, st.sampled_from([None, 0.5]), st.floats(0.03, 0.9))
def test_what_is_found_from_a_score_on_is_what_all_settings_find(
    drawn: list[tuple[int, int, int, int, int]], vote_iou: float | None, score: float
) -> None:
    boxes, scores = candidates(drawn)
    output = Candidates(torch.tensor(boxes)[None], torch.tensor(scores)[None])
    config = InferenceConfig(vote_iou=vote_iou)
    everything = suppress(output, config, vote_iou=vote_iou)
    strong = everything.scores_N >= score
    less = suppress(output, config.finding_from(score), vote_iou=vote_iou)
    asked = less.scores_N >= score
    torch.testing.assert_close(less.boxes_N4[asked], everything.boxes_N4[strong])
    torch.testing.assert_close(less.scores_N[asked], everything.scores_N[strong])


def test_votes_move_the_boxes_that_a_detector_finds() -> None:
    near = torch.tensor(
        [[0.0, 0.0, 10.0, 12.0], [20.0, 20.0, 30.0, 32.0], [21.0, 20.0, 31.0, 32.0]]
    )

    class Pair(Fixed):
        def forward(self, images: torch.Tensor) -> Predictions:
            return predictions([0.6, 0.9, 0.6], near)

    image = np.zeros((50, 100, 3), np.uint8)
    found = detect(Pair(), image, InferenceConfig(vote_iou=0.6))
    expected = torch.tensor([[20.4, 20.0, 30.4, 32.0], [0.0, 0.0, 10.0, 12.0]])
    torch.testing.assert_close(found.boxes_N4, expected)


def test_a_file_that_suppresses_by_itself_has_no_votes() -> None:
    detector = OnnxDetector(lambda images: (images,), "detections")
    with pytest.raises(ConfigError, match="vote_iou"):
        detect(detector, np.zeros((50, 100, 3), np.uint8), InferenceConfig(vote_iou=0.6))

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nasface.detection.boxes import encode
from nasface.errors import ConfigError
from nasface.inference.predict import InferenceConfig, detect, detections_as_rows, suppress
from nasface.structures import Detections, Predictions

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


def test_rows_keep_names_boxes_and_scores_together() -> None:
    one = Detections(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([0.25]))
    none = Detections(torch.empty(0, 4), torch.empty(0))
    assert detections_as_rows(["a", "b"], [one, none]) == [
        {"image": "a", "boxes": [[1.0, 2.0, 3.0, 4.0]], "scores": [0.25]},
        {"image": "b", "boxes": [], "scores": []},
    ]


@pytest.mark.parametrize(
    "bad", [{"longer_side": 8}, {"nms_iou": 0.0}, {"score_threshold": 1.0}, {"max_detections": 0}]
)
def test_settings_out_of_range(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        InferenceConfig(**bad)

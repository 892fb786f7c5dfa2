"""Sixteen anchors, predictions on them, and faces."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nasface.structures import Predictions, Targets

ANCHORS = torch.tensor(
    [[8.0 * x, 8.0 * y, 8.0 * x + 8, 8.0 * y + 12] for y in range(4) for x in range(4)]
)


def make_targets(*boxes: Sequence[float], ignore: bool = False) -> Targets:
    flags = torch.full((len(boxes),), ignore)
    return Targets(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), flags)


def make_predictions(images: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, len(ANCHORS), 2, generator=generator) * 2
    deltas = torch.randn(images, len(ANCHORS), 4, generator=generator)
    return Predictions(
        logits.to(dtype).requires_grad_(), deltas.to(dtype).requires_grad_(), ANCHORS
    )


def backward(loss: Tensor) -> None:
    loss.backward()

"""Selective two-step prediction of SRN (Chi et al., AAAI 2019, sections 3.2 and 3.3).

On the fine levels, where most anchors lie, the first step filters out easy background. On the
others it moves the anchors, and the second step predicts offsets from there.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nasface.detection.boxes import SIZE_VARIANCE

THRESHOLD = 0.01
"""Probability of a face below which the first step filters an anchor (paper, section 3.2)."""

StepOutput = tuple[Tensor, Tensor]
"""Logits (B, A, 2) and offsets (B, A, 4) of a level."""

_FILTERED = -10.0
"""Logit of a face where the first step has filtered; its score is below any threshold of use."""

_MAX_SHIFT = math.log(1000.0) / SIZE_VARIANCE


def refine(
    first: Sequence[StepOutput], second: Sequence[StepOutput], fine: int
) -> tuple[list[StepOutput], list[StepOutput]]:
    """Combine both steps, level by level; the second one is the detector's prediction.

    The first ``fine`` levels are filtered, the anchors of the others are moved. Gradients reach the
    first step only through its own loss: its classes on the fine levels, its offsets on the others.
    """
    firsts, seconds = [], []
    for at, ((logits, deltas), (later, offsets)) in enumerate(zip(first, second, strict=True)):
        if at < fine:
            firsts.append((logits, deltas.detach()))
            seconds.append((filter_background(logits.detach(), later), offsets))
        else:
            firsts.append((logits.detach(), deltas))
            seconds.append((later, compose_offsets(deltas.detach(), offsets)))
    return firsts, seconds


def filter_background(first_BA2: Tensor, second_BA2: Tensor) -> Tensor:
    """Return the logits (B, A, 2) of the second step; background where the first is sure of it."""
    is_easy = first_BA2.softmax(dim=2)[..., 1:] < THRESHOLD
    background, face = second_BA2[..., :1], second_BA2[..., 1:]
    return torch.cat(
        [background.masked_fill(is_easy, 0.0), face.masked_fill(is_easy, _FILTERED)], dim=2
    )


def compose_offsets(first_BA4: Tensor, second_BA4: Tensor) -> Tensor:
    """Return offsets (B, A, 4) from the anchors, of offsets from the anchors as the first step
    moved them.

    The coding is linear in the centre and in the logarithms of the sides, so that they add up.
    """
    moved = first_BA4.clamp(max=_MAX_SHIFT)
    growth = (moved[..., 2:] * SIZE_VARIANCE).exp()
    return moved + torch.cat([second_BA4[..., :2] * growth, second_BA4[..., 2:]], dim=2)

"""The exponential moving average of a network's weights."""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)


class WeightAverage(Generic[Model]):
    """Follows the weights of ``model``; ``averaged`` is the network to evaluate and to save."""

    def __init__(self, model: Model, decay: float) -> None:
        self.decay = decay
        self.averaged: Model = copy.deepcopy(model).eval()
        self.sources, self.targets = (
            _values_and_counters(model),
            _values_and_counters(self.averaged),
        )

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1; the average is short at first so as to
        forget the start."""
        keep = min(self.decay, (1 + step) / (10 + step))
        # Running statistics are averaged too: those of the newest weights do not fit old ones.
        (means, counters), (values, counts) = self.targets, self.sources
        torch._foreach_lerp_(means, values, 1 - keep)
        torch._foreach_copy_(counters, counts)


def _values_and_counters(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return all weights and running statistics, and the counts of batches behind these."""
    state = [*model.parameters(), *model.buffers()]
    values = [each for each in state if each.is_floating_point()]
    return values, [each for each in state if not each.is_floating_point()]

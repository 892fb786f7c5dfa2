"""The memory that the steps of a job will take, before the first of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nasface.machine import free_memory_mb
from nasface.nn.cost import count_parameters, count_saved_bytes, light_layers


@dataclass(frozen=True)
class Footprint:
    """``activations_mb`` kept for the backward pass of a step; ``state_mb`` of weights, gradients
    and optimiser; MB are millions of bytes."""

    activations_mb: float
    state_mb: float
    available_mb: float

    @property
    def fits(self) -> bool:
        """Whether the free memory is likely to suffice; buffers of the kernels come on top."""
        return 1.5 * self.activations_mb + self.state_mb < self.available_mb

    @property
    def warning(self) -> str:
        """The figures, for one who may run out of memory."""
        return (
            f"memory may not suffice: a step keeps {self.activations_mb:.0f} MB of activations and "
            f"{self.state_mb:.0f} MB of state, with buffers up to half as much again, of "
            f"{self.available_mb:.0f} MB that are free; a smaller batch with more accumulate takes "
            "less"
        )


def footprint(
    model: nn.Module,
    run: Callable[[Any, Tensor], object],
    input_shape: tuple[int, int, int, int],
    device: torch.device,
) -> Footprint:
    """Count what ``run`` keeps of a model and a batch, on the meta device, without memory."""
    step = _Step(model, run)
    weights = {
        name: torch.empty_like(tensor, device="meta", requires_grad=tensor.requires_grad)
        for name, tensor in (*step.named_parameters(), *step.named_buffers())
    }
    images = torch.empty(input_shape, device="meta")
    # A copy of the model on the meta device would take longer than the pass through it.
    with count_saved_bytes(*weights.values(), images) as saved:
        functional_call(step, weights, images)
    return Footprint(saved.total / 1e6, state_mb(model), available_mb(device))


class _Step(nn.Module):
    """``run`` of a model, as a module whose weights others can stand in for."""

    def __init__(self, model: nn.Module, run: Callable[[Any, Tensor], object]) -> None:
        super().__init__()
        self.model, self._run = model, run

    def forward(self, images: Tensor) -> object:
        with light_layers(self.model):
            return self._run(self.model, images)


def state_mb(model: nn.Module) -> float:
    """Return the weights, gradients, and up to two moments in float32."""
    return 4 * 4 * count_parameters(model) / 1e6


def available_mb(device: torch.device) -> float:
    """Return the memory that is free now, of the GPU where the job runs on one."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 1e6
    return free_memory_mb()

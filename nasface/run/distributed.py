"""Several processes on one training, as ``torchrun`` starts them.

The parts of a step (``accumulate`` of them) are shared among the processes; gradients are summed
before the step, so that the number of processes does not change what is learned.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn
from torch import distributed as dist

from nasface.errors import RunError

_PATIENCE = timedelta(hours=2)
"""Time that processes wait for one another; the first one evaluates alone in between."""


@dataclass(frozen=True)
class World:
    """This process among ``size``; ``rank`` counts from 0, ``local`` within the machine."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run folder, evaluates and talks."""
        return self.rank == 0

    def sum_gradients(
        self, parameters: Iterable[nn.Parameter], buffers: Iterable[Tensor], values: Sequence[float]
    ) -> list[float]:
        """Sum gradients and ``values`` over the processes, and average floating-point buffers.

        A parameter without a gradient counts as one of zeros. Returns the sums of the values.
        """
        if self.size == 1:
            return list(values)
        weights = [each for each in parameters if each.requires_grad]
        for each in weights:
            if each.grad is None:
                each.grad = torch.zeros_like(each)
        gradients = [each.grad for each in weights if each.grad is not None]
        means = [each for each in buffers if each.is_floating_point()]
        extra = torch.tensor(values, device=gradients[0].device)
        tensors = [*gradients, *(each / self.size for each in means), extra]
        flat = torch.cat([each.detach().float().flatten() for each in tensors])
        dist.all_reduce(flat)
        pieces = flat.split([each.numel() for each in tensors])
        for target, piece in zip([*gradients, *means], pieces, strict=False):
            target.copy_(piece.view_as(target))
        return [float(value) for value in pieces[-1]]


@contextmanager
def join_world(device: str) -> Iterator[World]:
    """The processes that ``torchrun`` started together with this one; without it, one alone.

    Raises:
        RunError: if they do not find one another.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    on_gpu = torch.cuda.is_available() and device != "cpu"
    try:
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    except (ValueError, RuntimeError) as problem:
        raise RunError(
            f"WORLD_SIZE {size}: the processes do not find one another "
            f"({' '.join(str(problem).split())[:200]}); start them with torchrun"
        ) from None
    try:
        yield World(dist.get_rank(), size, int(os.environ.get("LOCAL_RANK", "0")))
    finally:
        dist.destroy_process_group()

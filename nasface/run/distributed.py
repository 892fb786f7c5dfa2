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

from nasface.errors import ConfigError, RunError

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

    def check_parts(self, parts: int) -> None:
        """Raise :class:`ConfigError` unless the parts of a step can be shared evenly."""
        if parts % self.size:
            raise ConfigError(
                f"accumulate: {parts} parts of a step cannot be shared by {self.size} processes; "
                "expected a multiple of that"
            )

    def device(self, device: torch.device) -> torch.device:
        """This process's device: of several GPUs its own."""
        if device.type == "cuda" and self.size > 1:
            return torch.device("cuda", self.local)
        return device

    def sum_gradients(
        self, parameters: Iterable[nn.Parameter], others: Sequence[Tensor], values: Sequence[float]
    ) -> list[float]:
        """Sum gradients, ``others`` and ``values`` over the processes, the first two in place.

        The same parameters must have a gradient in all processes. Returns the sums of the values.
        """
        if self.size == 1:
            return list(values)
        gradients = [each.grad for each in parameters if each.grad is not None]
        extra = torch.tensor(values, device=gradients[0].device)
        tensors = [*gradients, *others, extra]
        flat = torch.cat([each.detach().float().flatten() for each in tensors])
        dist.all_reduce(flat)
        pieces = flat.split([each.numel() for each in tensors])
        for target, piece in zip([*gradients, *others], pieces, strict=False):
            target.copy_(piece.view_as(target))
        return [float(value) for value in pieces[-1]]

    def any(self, answer: bool) -> bool:
        """Whether any process says yes; all must ask."""
        if self.size == 1:
            return answer
        answers = torch.tensor([float(answer)])
        dist.all_reduce(answers)
        return bool(answers > 0)


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

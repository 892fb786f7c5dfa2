"""Several processes on one search or training, as ``torchrun`` starts them.

The parts of a step (``accumulate`` of them) are shared among the processes; gradients are summed
before the step, so that the number of processes does not change what is learned.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b

import torch
from torch import Tensor, nn
from torch import distributed as dist

from nasface.data.dataset import Shard
from nasface.engine.distributed.heartbeat import RankMonitor
from nasface.errors import ConfigError, RunError

_PATIENCE = timedelta(seconds=30)
"""For an exchange of tensors, which starts when all processes have met."""


@dataclass(frozen=True)
class World:
    """This process among ``size``; ``rank`` counts from 0, ``local`` within the machine."""

    rank: int = 0
    size: int = 1
    local: int = 0
    monitor: RankMonitor | None = None

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

    def shard(self, parts: int) -> Shard:
        """Return what this process loads of batches in ``parts``."""
        return Shard(self.rank, self.size, parts)

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
        if self.monitor is None:
            return list(values)
        gradients = [each.grad for each in parameters if each.grad is not None]
        extra = torch.tensor(values, device=gradients[0].device)
        tensors = [*gradients, *others, extra]
        flat = torch.cat([each.detach().float().flatten() for each in tensors])
        try:
            dist.all_reduce(flat)
            pieces = flat.split([each.numel() for each in tensors])
        except RuntimeError as problem:
            raise self.monitor.diagnose(problem) from None
        for target, piece in zip([*gradients, *others], pieces, strict=False):
            target.copy_(piece.view_as(target))
        return [float(value) for value in pieces[-1]]

    def any(self, answer: bool) -> bool:
        """Return whether any process says yes; all must ask."""
        return (
            answer
            if self.monitor is None
            else "yes" in self.monitor.barrier("yes" if answer else "no")
        )

    def agree(self, what: str, digest: Callable[[], str]) -> None:
        """Raise :class:`RunError` unless all processes hold the same; all must ask."""
        if self.monitor is None:
            return
        words = self.monitor.barrier(digest())
        astray = [str(rank) for rank, word in enumerate(words) if word != words[0]]
        if astray:
            raise RunError(
                f"process {', '.join(astray)} of {self.size} holds other {what} than process 0; "
                "the last checkpoint is kept, and --resume goes on from it"
            )

    def tick(self) -> None:
        """Say that this process moves on."""
        if self.monitor is not None:
            self.monitor.tick()


def digest_of(values: Iterable[Tensor | str]) -> str:
    """Return a short word that differs where tensors, or words among them, differ in a bit."""
    found = blake2b(digest_size=8)
    for value in values:
        if isinstance(value, str):
            found.update(value.encode())
        else:
            found.update(
                value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
            )
    return found.hexdigest()


@contextmanager
def join_world(device: str) -> Iterator[World]:
    """Give the processes that ``torchrun`` started together with this one; without it, one alone.

    Raises:
        RunError: if they do not find one another.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    try:
        rank = int(os.environ["RANK"])
        monitor = RankMonitor(rank, size)
    except (KeyError, ValueError, RuntimeError) as problem:
        raise RunError(
            f"WORLD_SIZE {size}: the processes do not find one another "
            f"({' '.join(str(problem).split())[:200]}); start them with torchrun"
        ) from None
    try:
        monitor.barrier("here")
        _join_group(monitor, "nccl" if torch.cuda.is_available() and device != "cpu" else "gloo")
        yield World(rank, size, int(os.environ.get("LOCAL_RANK", "0")), monitor)
        monitor.barrier("end")
    except BaseException as problem:
        monitor.close(" ".join(str(problem).split()) or type(problem).__name__)
        raise
    monitor.close(None)
    dist.destroy_process_group()


def _join_group(monitor: RankMonitor, backend: str) -> None:
    try:
        dist.init_process_group(
            backend,
            store=monitor.store,
            rank=monitor.rank,
            world_size=monitor.size,
            timeout=_PATIENCE,
        )
    except (ValueError, RuntimeError) as problem:
        raise monitor.diagnose(problem) from None

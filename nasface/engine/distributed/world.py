"""Several processes on one search or training, as ``torchrun`` starts them.

The parts of a step (``accumulate`` of them) are shared among the processes; gradients are summed
before the step, so that the number of processes does not change what is learned. A process that
ends with an error, is killed or hangs ends the others, and ``torchrun`` starts all of them again.
"""

import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import TypeVar
from weakref import ReferenceType, ref

import psutil
import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed import (  # type: ignore[attr-defined]  # public, but not for mypy
    PrefixStore,
    Store,
    TCPStore,
)

from nasface.data.dataset import Shard
from nasface.errors import BrokenRunError, ConfigError, RunError

Value = TypeVar("Value")


@dataclass(frozen=True)
class World:
    """This process among ``size``; ``rank`` counts from 0, ``local`` within the machine.

    What the processes tell one another goes through torch's default group, which is one of gloo,
    and gradients through ``gradients``. ``timeout``: seconds to wait for a process that does not
    answer.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    timeout: float = 60.0
    group: "ReferenceType[dist.ProcessGroup] | None" = None
    """Of ``gradients``. Whoever holds a world must not keep its group: gloo's threads end with the
    group, and those that are left when Python shuts down can abort the process."""

    @property
    def gradients(self) -> dist.ProcessGroup | None:
        """The group that sums gradients; None once the processes have parted."""
        return None if self.group is None else self.group()

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run folder and talks."""
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
        """Return this process's device: of several GPUs its own."""
        if device.type == "cuda" and self.size > 1:
            return torch.device("cuda", self.local)
        return device

    def collect(self, value: Value) -> list[Value]:
        """Return the values of all processes, by rank; all must call it.

        Raises:
            BrokenRunError: naming the processes that do not come within ``timeout``.
        """
        found: list[Value] = [value] * self.size
        if self.size > 1:
            with self._together():
                dist.all_gather_object(found, value)
        return found

    def any(self, answer: bool) -> bool:
        """Return whether any process says yes; all must ask, see :meth:`collect`."""
        return any(self._numbers(int(answer)))

    def agree(self, what: str, digest: Callable[[], str]) -> None:
        """Raise :class:`BrokenRunError` unless all processes hold the same; all must ask, see
        :meth:`collect`."""
        if self.size == 1:
            return
        numbers = self._numbers(int(digest(), 16))
        astray = [str(rank) for rank, number in enumerate(numbers) if number != numbers[0]]
        if astray:
            raise BrokenRunError(
                f"process {', '.join(astray)} of {self.size} holds other {what} than process 0"
            )

    def _numbers(self, number: int) -> list[int]:
        """Return the numbers, below 2^63, of all processes."""
        if self.size == 1:
            return [number]
        own = torch.tensor([number])
        found = [torch.empty_like(own) for _ in range(self.size)]
        with self._together():
            dist.all_gather(found, own)
        return [int(each) for each in found]

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Wait for all before an exchange, which alone would not say who is missing."""
        try:
            dist.monitored_barrier(timeout=timedelta(seconds=self.timeout), wait_all_ranks=True)
            yield
        except RuntimeError as problem:
            raise BrokenRunError(self._missing(problem)) from None

    def _missing(self, problem: RuntimeError) -> str:
        """Say who did not come, from what torch says of a barrier that failed."""
        text = " ".join(str(problem).split())
        named = re.search(r"Ranks? ([\d, ]*\d) failed to pass", text)
        if named or "Timed out" in text:
            who = named.group(1) if named else "0"
            return (
                f"process {who} of {self.size} did not answer within {self.timeout:g} s: it hangs, "
                "was stopped or is gone"
            )
        return f"process 0 of {self.size} has ended; its own message says why"


ALONE = World()


def digest_of(values: Iterable[Tensor | str]) -> str:
    """Return 14 hexadecimal digits that differ where tensors, or words among them, differ in a
    bit."""
    found = blake2b(digest_size=7)
    for value in values:
        if isinstance(value, str):
            found.update(value.encode())
        else:
            found.update(
                value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
            )
    return found.hexdigest()


def launch_id() -> str | None:
    """Return what one start of ``torchrun`` has for itself, and keeps when it starts its processes
    again; None without ``torchrun``."""
    run = os.environ.get("TORCHELASTIC_RUN_ID")
    if run in (None, "none"):  # a static rendezvous has no name, but one torchrun at its head
        parent = psutil.Process().parent()
        if run is None or parent is None:
            return None
        return f"{socket.gethostname()}-{parent.pid}-{parent.create_time():.0f}"
    return run


@contextmanager
def join_world(device: str, timeout: float) -> Iterator[World]:
    """Give the processes that ``torchrun`` started together with this one; without it, one alone.

    An error goes into the file in which ``torchrun`` looks for the reason of a process that ended.

    Raises:
        RunError: if they do not find one another within ``timeout`` seconds.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    try:
        yield World() if size == 1 else _join(size, device, timeout)
    except Exception as problem:  # torchrun is told of whatever it was
        if "TORCHELASTIC_ERROR_FILE" in os.environ:
            from torch.distributed.elastic.multiprocessing.errors import get_error_handler

            get_error_handler().record_exception(problem)
        raise
    if dist.is_initialized():
        dist.destroy_process_group()


def _join(size: int, device: str, timeout: float) -> World:
    # The first process asks who is there, the others wait a little longer for what it finds.
    limit = timedelta(seconds=1.25 * timeout)
    try:
        rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
        dist.init_process_group(
            "gloo", store=_meeting_place(rank, limit), rank=rank, world_size=size, timeout=limit
        )
        is_on_gpu = torch.cuda.is_available() and device != "cpu"
        if is_on_gpu:
            torch.cuda.set_device(local)
        gradients = dist.new_group(backend="nccl" if is_on_gpu else "gloo", timeout=limit)
    except (KeyError, ValueError, RuntimeError) as problem:
        text = " ".join(str(problem).split())[:200]
        key = re.search(r"keys?: .*/(\d+)$", text)  # torch waits for a key of each process
        who = f"process {key.group(1)} did not come" if key else "they do not find one another"
        raise RunError(f"{size} processes: {who} ({text}); start them with torchrun") from None
    return World(rank, size, local, timeout, ref(gradients))


def _meeting_place(rank: int, limit: timedelta) -> Store:
    """Return the store at which the processes find one another: that of torchrun, or of the
    first."""
    environment = os.environ
    is_torchruns = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    store = TCPStore(
        environment["MASTER_ADDR"],
        int(environment["MASTER_PORT"]),
        is_master=rank == 0 and not is_torchruns,
        timeout=limit,
        wait_for_workers=False,
    )
    if not is_torchruns:
        return store
    # torchrun keeps its store when it starts processes again, with the addresses of those that are
    # gone (pytorch issue 135712); nodes need not agree on how often they did.
    nodes, restarts = (
        int(environment.get(name, "0"))
        for name in ("GROUP_WORLD_SIZE", "TORCHELASTIC_MAX_RESTARTS")
    )
    if nodes > 1 and restarts:
        raise RunError(
            f"torchrun on {nodes} nodes can start processes again only if its environment has "
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1; set that, or leave out --max-restarts"
        )
    return PrefixStore(environment.get("TORCHELASTIC_RESTART_COUNT", "0"), store)

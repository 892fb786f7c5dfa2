"""Where computations run, and in how many threads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from nasface.errors import ConfigError, one_of

DEVICES = ("cpu", "cuda", "mps")
"""Kinds of devices that computations run on."""

_IMPORTED_BY = os.getpid()


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device of a setting; ``auto`` is a CUDA GPU where there is one, else the CPU.

    Raises:
        ConfigError: for a device that is not there.
    """
    if isinstance(name, torch.device) and name.type not in DEVICES:
        return name
    name = str(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = name.split(":")[0]
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device: {name!r} is not there: torch {torch.__version__} finds no GPU")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(
            f"device: {name!r} is not there; expected a Mac with Apple's GPU and macOS 14 or later"
        )
    if kind not in DEVICES:
        numbered = f"; cuda:{name} is a GPU" if name.isdecimal() else ""
        known = one_of(name, ("auto", *DEVICES))
        raise ConfigError(f"device: no device {name!r}; expected {known}{numbered}")
    try:
        return torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device: no device {name!r}; expected such as cuda:0") from None


def wait_for(device: torch.device) -> None:
    """Wait until a device has done what it was given, so that a clock tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch compute in ``count`` threads within the ``with`` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Let this thread take float32 numbers nearer to zero than 1.2e-38 as zero within the ``with``
    block, where the processor can.

    Products of small features, as random weights give them, end in such numbers, and some
    processors take many times as long for them.
    """
    small = torch.full((1,), 1e-30, device="cpu")
    was_zero = not (small * 1e-10).any()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_zero)


def use_one_thread_after_fork() -> None:
    """Let torch compute in one thread in a forked process; in any other nothing changes.

    A fork has none of the threads that OpenMP keeps in its parent, and would wait for them without
    end.
    """
    _use_one_thread(os.getpid())


@cache
def _use_one_thread(process: int) -> None:
    if process != _IMPORTED_BY:
        torch.set_num_threads(1)

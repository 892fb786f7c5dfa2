"""How a long job says where it stands, and how it is asked to stop."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Where a job reports; the console shows a bar, the time left and the current values."""

    def start(self, title: str, total: int, done: int = 0) -> None:
        """Begin a phase of ``total`` steps, ``done`` of which were made before; 0 if their number
        is not known, as of a camera."""
        ...

    def advance(self, values: Mapping[str, float] | None = None) -> None:
        """Count one more step, with the figures to show."""
        ...

    def note(self, text: str) -> None:
        """Show a line that is worth keeping."""
        ...


class Silent:
    """A :class:`Progress` that shows nothing."""

    def start(self, title: str, total: int, done: int = 0) -> None:
        """See :class:`Progress`."""

    def advance(self, values: Mapping[str, float] | None = None) -> None:
        """See :class:`Progress`."""

    def note(self, text: str) -> None:
        """See :class:`Progress`."""


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it, such as ``3.4 h``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


class StopRequest:
    """Whether the user has pressed Ctrl-C."""

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def stop_on_interrupt() -> Iterator[StopRequest]:
    """Turn the first Ctrl-C into a request that the loop reads; the second interrupts at once.

    Python lets only the main thread look at signals: in another, Ctrl-C keeps its effect.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def handle(_signal: int, _frame: FrameType | None) -> None:
        request.asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)

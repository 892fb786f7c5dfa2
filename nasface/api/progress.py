"""Progress of long work: a bar on a terminal or in a notebook, lines elsewhere."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from nasface.errors import check_kind
from nasface.optional import need
from nasface.progress import Progress, Silent, duration


class ConsoleProgress:
    """A bar with the time left on a terminal; elsewhere a line every ``interval`` seconds."""

    def __init__(self, interval: float = 20.0) -> None:
        self.interval = interval
        # Names of files are shown as they are; rich has words for colours and pictures.
        self.console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        self.bar = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[shown]}", markup=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task: TaskID | None = None
        self.title, self.total, self.done, self.first = "", 0, 0, 0
        self.started = self.printed = time.monotonic()

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Older rich ends a bar that was never shown with an empty line.
        if not self.bar.disable:
            self.bar.stop()

    def start(self, title: str, total: int, done: int = 0) -> None:
        """Show a new phase instead of the last."""
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(title, total=total or None, completed=done, shown="")
        self.title, self.total, self.done, self.first = title, total, done, done
        self.started = self.printed = time.monotonic()

    def advance(self, values: Mapping[str, float] | None = None) -> None:
        """Move on by one step."""
        shown = _shown(values)
        self.done += 1
        if self.task is not None:
            self.bar.update(self.task, completed=self.done, shown=shown)
        now = time.monotonic()
        due = now - self.printed >= self.interval or self.done == self.total
        if not self.console.is_terminal and due:
            self.printed = now
            rate = (now - self.started) / max(1, self.done - self.first)
            left = _left(rate, self.done, self.total)
            self.note(f"{self.title} {_counted(self.done, self.total)}{left}  {shown}".rstrip())

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(text, soft_wrap=True)


class NotebookProgress:
    """A line below the cell of a notebook, brought up to date in its place."""

    def __init__(self, interval: float = 0.5) -> None:
        self.interval = interval
        self.display: Any = need("IPython.display", "ipython").display
        self.handle: Any = None
        self.title, self.total, self.done, self.first = "", 0, 0, 0
        self.started = self.shown_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the line as it is."""

    def start(self, title: str, total: int, done: int = 0) -> None:
        """Show a new phase."""
        self.title, self.total, self.done, self.first = title, total, done, done
        self.started = time.monotonic()
        self._show("")

    def advance(self, values: Mapping[str, float] | None = None) -> None:
        """Move on by one step."""
        self.done += 1
        if time.monotonic() - self.shown_at >= self.interval or self.done == self.total:
            self._show(_shown(values))

    def note(self, text: str) -> None:
        """Print a line that stays."""
        print(text)

    def _show(self, figures: str) -> None:
        self.shown_at = time.monotonic()
        done = self.done - self.first
        filled = min(30, 30 * self.done // self.total) if self.total else 0
        bar = "█" * filled + "░" * (30 - filled)
        line = f"{self.title} {bar} {_counted(self.done, self.total)}"
        if done:  # before the first step, nobody knows how long they take
            left = _left((self.shown_at - self.started) / done, self.done, self.total)
            line = f"{line}{left}  {figures}".rstrip()
        if self.handle is None:
            self.handle = self.display({"text/plain": line}, raw=True, display_id=True)
        else:
            self.handle.update({"text/plain": line}, raw=True)


@contextmanager
def shown_progress(progress: bool | Progress | None) -> Iterator[Progress]:
    """Give the object to report to: ``progress`` itself; one that shows nothing for False, or a bar
    or lines for True. None means True on a terminal or in a notebook, and False elsewhere.

    Raises:
        ConfigError: for anything else.
    """
    if progress is None:
        progress = in_notebook() or sys.stderr.isatty()
    expected = "True, False or an object with the methods start, advance and note"
    check_kind("progress", progress, bool | Progress, expected)
    if not isinstance(progress, bool):
        yield progress
    elif not progress:
        yield Silent()
    else:
        with NotebookProgress() if in_notebook() else ConsoleProgress() as made:
            yield made


def in_notebook() -> bool:
    """Return whether this runs in the cell of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _shown(values: Mapping[str, float] | None) -> str:
    return "  ".join(f"{key} {value:.4g}" for key, value in (values or {}).items())


def _counted(done: int, total: int) -> str:
    return f"{done}/{total}" if total else str(done)


def _left(seconds_a_step: float, done: int, total: int) -> str:
    """Return the time left; empty where nobody knows how many steps there are."""
    return f"  {duration(seconds_a_step * max(0, total - done))} left" if total else ""

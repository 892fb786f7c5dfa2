"""What the commands print: progress on standard error, tables and JSON on standard output."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from nasface.errors import MissingPackageError

out = Console()
err = Console(stderr=True)


class ConsoleProgress:
    """A bar with the time left on a terminal; elsewhere a line every ``interval`` seconds."""

    def __init__(self, interval: float = 20.0) -> None:
        self.interval = interval
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[shown]}"),
            console=err,
            disable=not err.is_terminal,
        )
        self.task: TaskID | None = None
        self.title, self.total, self.done, self.first = "", 0, 0, 0
        self.started = self.printed = time.monotonic()

    def __enter__(self) -> "ConsoleProgress":
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def start(self, title: str, total: int, done: int = 0) -> None:
        """Show a new phase in the place of the last."""
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(title, total=total, completed=done, shown="")
        self.title, self.total, self.done, self.first = title, total, done, done
        self.started = self.printed = time.monotonic()

    def advance(self, values: Mapping[str, float] | None = None) -> None:
        """Move on by one step."""
        shown = "  ".join(f"{key} {value:.4g}" for key, value in (values or {}).items())
        self.done += 1
        if self.task is not None:
            self.bar.update(self.task, completed=self.done, shown=shown)
        now = time.monotonic()
        if not err.is_terminal and (now - self.printed >= self.interval or self.done == self.total):
            self.printed = now
            rate = (now - self.started) / max(1, self.done - self.first)
            left = rate * (self.total - self.done)
            _plain(f"{self.title} {self.done}/{self.total}  {left:.0f} s left  {shown}".rstrip())

    def note(self, text: str) -> None:
        """Print a line that stays."""
        _plain(text)


def _plain(text: str) -> None:
    err.print(text, markup=False, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a line of the result."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print figures for a program; nothing else goes to standard output."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print figures for a person: the first column to the left, the others to the right."""
    say(title)
    table = Table()
    for at, column in enumerate(columns):
        table.add_column(column, justify="right" if at else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def duration(seconds: float) -> str:
    """A time in the unit that suits it, such as ``3.4 h``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


@contextmanager
def pictures_if_possible() -> Iterator[None]:
    """Go on without pictures, and say so, where the extra that draws them is missing."""
    try:
        yield
    except MissingPackageError as error:
        _plain(f"no pictures: {error}")

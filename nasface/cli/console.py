"""What the commands print: progress on standard error, tables and JSON on standard output."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.table import Table

from nasface.api.progress import ConsoleProgress
from nasface.cli.detail import detail
from nasface.errors import MissingPackageError
from nasface.io.strict_json import to_json
from nasface.progress import Progress, Silent

# Names of files are shown as they are: rich would turn `a.txt:100:` into a picture, and drop `[b]`.
out = Console(markup=False, emoji=False, highlight=False)
err = Console(stderr=True, markup=False, emoji=False, highlight=False)
_VERBOSE_INTERVAL = 1.0


def console_progress() -> AbstractContextManager[Progress]:
    """Return where a command reports its progress: a bar on a terminal, else a line every 20
    seconds, or every second if verbose; nowhere if quiet."""
    if detail() == "quiet":
        return nullcontext(Silent())
    return ConsoleProgress(_VERBOSE_INTERVAL) if detail() == "verbose" else ConsoleProgress()


def _plain(text: str) -> None:
    err.print(text, soft_wrap=True)


def say(text: str) -> None:
    """Print a line of the result."""
    out.print(text, soft_wrap=True)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 face`` or ``3 faces``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def rounded(value: float | None, digits: int) -> str:
    """Return a figure with that many decimals; nothing for one that is not known."""
    return "" if value is None else f"{value:.{digits}f}"


def print_json(value: Any) -> None:
    """Print figures for a program; nothing else goes to standard output."""
    sys.stdout.write(to_json(value) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print figures for a person: the first column to the left, the others to the right."""
    say(title)
    table = Table()
    for at, column in enumerate(columns):
        table.add_column(column, justify="right" if at else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)


@contextmanager
def pictures_if_possible() -> Iterator[None]:
    """Go on without pictures, and say so, where the extra that draws them is missing."""
    try:
        yield
    except MissingPackageError as error:
        _plain(f"no pictures: {error}")

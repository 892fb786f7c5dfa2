"""``nasface plot``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.cli.console import say
from nasface.cli.options import check_new, parse_line
from nasface.plots.figure import SUFFIXES


@dataclass(kw_only=True)
class PlotCommand:
    """Draw the curves of one or several evaluations in one figure.

    Precision over recall, a panel for each set of faces, or the true positive rates of FDDB over
    the number of false positives, as the evaluations have it. Files that the official FDDB tool
    wrote are taken as well.
    """

    results: tyro.conf.Positional[tuple[Path, ...]]
    """Folders that `nasface evaluate` wrote, or the curves.csv in them."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """File of the figure: .png, .svg or .pdf."""
    labels: tuple[str, ...] = ()
    """A name for each result, in their order; else the names of the folders."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse_line(PlotCommand, arguments, "plot")
    check_new(command.out, SUFFIXES)
    from nasface.api.plotting import plot  # takes torch: help and mistakes are answered at once

    plot(command.results, command.out, labels=command.labels)
    say(f"plot       {command.out}")
    return 0

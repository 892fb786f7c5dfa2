"""``nasface plot``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from nasface.cli.console import say
from nasface.cli.options import check_new, parse_line
from nasface.errors import ConfigError
from nasface.plots.evaluation import plot_precision_recall, plot_roc
from nasface.plots.save import SUFFIXES
from nasface.runs.results import label_of, read_precision_recall, read_roc


@dataclass(kw_only=True)
class PlotCommand:
    """Draw the curves of one or several evaluations in one figure.

    pr: precision over recall, a panel for each set of faces. roc: the true positive rates of FDDB
    over the number of false positives; files that the official FDDB tool wrote are taken as well.
    """

    kind: tyro.conf.Positional[Literal["pr", "roc"]]
    """Which curves."""
    results: tyro.conf.Positional[tuple[Path, ...]]
    """Folders that `nasface evaluate` wrote, or the curves.csv in them."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """File of the figure: .png, .svg or .pdf."""
    labels: tuple[str, ...] = ()
    """A name for each result, in their order; else the names of the folders."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    command = parse_line(PlotCommand, arguments, "plot")
    check_new(command.out, SUFFIXES)
    labels = command.labels or tuple(label_of(path) for path in command.results)
    if not command.results:
        raise ConfigError("results: expected at least one folder that nasface evaluate wrote")
    if len(labels) != len(command.results):
        raise ConfigError(f"labels: {len(labels)} for {len(command.results)} results")
    if len(set(labels)) < len(labels):
        raise ConfigError(f"labels: {', '.join(labels)} are not distinct; name each by --labels")
    read = read_precision_recall if command.kind == "pr" else read_roc
    draw = plot_precision_recall if command.kind == "pr" else plot_roc
    curves = {label: read(path) for label, path in zip(labels, command.results, strict=True)}
    say(f"plot       {draw(curves, command.out)}")
    return 0

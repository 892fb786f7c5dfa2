"""``nasface report``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.cli.console import say
from nasface.cli.options import parse_line
from nasface.errors import ConfigError, RunError
from nasface.io.files import write_text


@dataclass(kw_only=True)
class ReportCommand:
    """Write a report of runs, side by side: one HTML file that opens without a network.

    It shows figures, curves, the cells with their cost, how the choices moved, sample detections
    (where the images are still in place), settings, hardware and commands.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders that nasface search, train, evaluate and detect wrote; at least one."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE.html")] = Path("report.html")
    """File of the report."""
    title: str = ""
    """Title; by default the names of the runs."""
    samples: int = 6
    """Pictures of each kind: best, worst and missed for an evaluation, most faces and least certain
    for detections; 0: none."""
    overwrite: bool = False
    """Replace a report that exists."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse_line(ReportCommand, arguments, "report")
    out = command.out
    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{out}: cannot write this type; expected .html")
    if out.exists() and not command.overwrite:
        raise RunError(f"{out}: exists; choose another --out, or --overwrite")
    if not out.parent.is_dir():
        raise RunError(f"{out}: expected a file in a folder that exists")
    if command.samples < 0:
        raise ConfigError(f"samples: {command.samples}, expected 0 or more")
    # Here, since they take torch, pandas and Matplotlib: help and mistakes are answered at once.
    from nasface.reports.build import make_report
    from nasface.reports.html import render_report

    text = render_report(make_report(command.runs, command.title, command.samples))
    write_text(out, text)
    say(f"report     {out}  {len(text) / 1e6:.1f} MB")
    return 0

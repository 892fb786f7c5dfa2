"""``nasface compare``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.cli.console import console_progress, print_json, say
from nasface.cli.options import parse_line
from nasface.errors import ConfigError
from nasface.presets import preset_path
from nasface.studies.figure import plot_comparison
from nasface.studies.scheduler import run_comparison
from nasface.studies.spec import load_plan
from nasface.studies.tables import REPORT, RUNS, read_summary_rows, write_tables

_PLOT = "summary.png"


@dataclass(kw_only=True)
class CompareCommand:
    """Search, train and evaluate all methods of a plan with all its seeds, and compare them.

    Runs what is missing in --out; a comparison that was stopped, in whatever way, goes on with the
    same command. Writes runs.csv, a row a run, and summary.csv, .md and .png: means with intervals,
    paired tests, cost. Several calls may share a folder, as the ranks of torchrun do.
    """

    plan: tyro.conf.Positional[Path]
    """YAML file of the plan, or preset:NAME (see nasface presets)."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Folder of the comparison."""
    data: str | None = None
    """Folder in WIDER FACE layout, in the place of the plan's."""
    workers: int = 1
    """Runs side by side."""
    json: bool = False
    """Print the summary as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code: 1 if runs failed."""
    command = parse_line(CompareCommand, arguments, "compare")
    if command.workers < 1:
        raise ConfigError(f"workers: {command.workers}, expected 1 or more")
    plan = load_plan(preset_path(command.plan, "compare"), command.data)
    with console_progress() as progress:
        outcome = run_comparison(plan, command.out, command.workers, progress)
    if outcome.rows:
        text = write_tables(plan, outcome.rows, command.out, outcome.total)
        plot_comparison(outcome.rows, plan.metric, command.out / _PLOT)
        if command.json:
            print_json(read_summary_rows(command.out))
        else:
            say(text)
            say(f"runs       {command.out / RUNS}")
            say(f"summary    {command.out / REPORT}, {command.out / _PLOT}")
    if outcome.stopped:
        progress.note("stopped; go on with the same command")
        return 130
    return 1 if outcome.failed else 0

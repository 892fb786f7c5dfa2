"""``nasface compare``."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from nasface.cli.compare_models import estimate_models_plan, run_models_plan
from nasface.cli.console import console_progress, count_of, print_json, print_table, say
from nasface.cli.options import parse_line
from nasface.errors import ConfigError
from nasface.presets import preset_path
from nasface.progress import duration
from nasface.studies.equal_latency import with_measured_limit
from nasface.studies.estimate import estimate_comparison
from nasface.studies.executors import EXECUTORS
from nasface.studies.figure import plot_comparison
from nasface.studies.folder import Rows
from nasface.studies.planned import contrast_powers
from nasface.studies.scheduler import run_comparison
from nasface.studies.side_by_side.plan import is_models_plan
from nasface.studies.spec import StudySpec, load_plan, runs_of
from nasface.studies.tables import REPORT, RUNS, read_summary_rows, write_tables

_PLOT = "summary.png"
_SHARE_OF_TIME = 0.1


@dataclass(kw_only=True)
class CompareCommand:
    """Search, train and evaluate all methods of a plan with all its seeds, and compare them.

    Runs what is missing in --out; a comparison that was stopped goes on with the same command.
    After each run it prints a line and updates runs.csv, with a row for each run, and summary.csv,
    .md and .png: means with intervals, paired tests, cost. Several calls may share a folder, as the
    ranks of torchrun do. A plan of models compares detectors as they are: sizes and times on this
    machine beside reported figures.
    """

    plan: tyro.conf.Positional[Path]
    """YAML file of the plan, or preset:NAME (see nasface presets)."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of the comparison; needed except with --estimate."""
    data: str | None = None
    """Folder of the data, instead of the plan's."""
    workers: int | None = None
    """Runs side by side: 1 on this machine, or as many as Slurm gives, unless this says more."""
    on: str = "local"
    """Where runs are computed: local, ray or slurm (pip install 'nasface[ray]' or
    'nasface[slurm]')."""
    address: str = ""
    """Ray cluster for --on ray, such as ray-head:6379. Empty: that of RAY_ADDRESS, or one on this
    machine."""
    job: dict[str, int | float | str] = field(default_factory=dict)
    """Resources of a run, as Ray has them: num_cpus 4 num_gpus 0.5 memory 8e9; with --on slurm
    settings of submitit: timeout_min 240 slurm_partition gpu gpus_per_node 1."""
    estimate: bool = False
    """Time a few steps of each method and estimate the comparison, without starting it."""
    json: bool = False
    """Print the summary, or the estimate, as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code: 1 if runs failed."""
    command = parse_line(CompareCommand, arguments, "compare")
    if command.workers is not None and command.workers < 1:
        raise ConfigError(f"workers: {command.workers}, expected 1 or more")
    path = preset_path(command.plan, "compare")
    if is_models_plan(path):
        return _run_models(path, command)
    plan = load_plan(path, command.data)
    if command.estimate:
        return _estimate(plan, command)
    out = command.out
    if out is None:
        raise ConfigError("--out: is missing; expected a folder for the comparison")
    executor = EXECUTORS.find(command.on, "--on")
    job = {**command.job, **({"address": command.address} if command.address else {})}
    with console_progress() as progress:
        plan = with_measured_limit(plan, out, progress)
        tables = _Tables(plan, out)
        outcome = run_comparison(plan, out, command.workers, progress, tables.update, executor, job)
    if outcome.rows:
        text = tables.write(outcome.rows)
        if command.json:
            print_json(read_summary_rows(out))
        else:
            say(text)
            say(f"runs       {out / RUNS}")
            say(f"summary    {out / REPORT}, {out / _PLOT}")
    if outcome.stopped:
        progress.note("stopped; go on with the same command")
        return 130
    return 1 if outcome.failed else 0


def _run_models(path: Path, command: CompareCommand) -> int:
    """A plan of models, which reads no data and measures one thing at a time."""
    given = {
        "--data": command.data is not None,
        "--workers": command.workers is not None,
        "--on": command.on != "local",
        "--address": bool(command.address),
        "--job": bool(command.job),
    }
    for option, is_given in given.items():
        if is_given:
            raise ConfigError(
                f"{option}: has no meaning for {path}; a plan of models reads no data, and they "
                "take turns in this process"
            )
    if command.estimate:
        return estimate_models_plan(path, json=command.json)
    return run_models_plan(path, command.out, _PLOT, json=command.json)


class _Tables:
    """The tables and the figure of a comparison under way.

    How much the cells of many seeds differ takes long to say, so that tables are not written again
    before ten times the time has gone that it took the last time.
    """

    def __init__(self, plan: StudySpec, out: Path) -> None:
        self.plan, self.out, self.total = plan, out, len(runs_of(plan))
        self._next = 0.0

    def update(self, rows: Rows) -> None:
        """Write them, if it is time."""
        started = time.monotonic()
        if rows and started >= self._next:
            self.write(rows)
            self._next = time.monotonic() + (time.monotonic() - started) / _SHARE_OF_TIME

    def write(self, rows: Rows) -> str:
        """Write them; returns the text of summary.md."""
        text = write_tables(self.plan, rows, self.out, self.total)
        plot_comparison(rows, self.plan.metric).save(self.out / _PLOT)
        return text


def _estimate(plan: StudySpec, command: CompareCommand) -> int:
    with console_progress() as progress:
        found = estimate_comparison(plan, progress)
    workers = command.workers or 1
    total = sum(each.seconds for each in found) / workers
    powers = contrast_powers(plan)
    if command.json:
        print_json(
            {
                "methods": [asdict(each) for each in found],
                "seconds": round(total, 1),
                "contrasts": [asdict(each) for each in powers],
            }
        )
        return 0
    print_table(
        f"estimate for {plan.name}",
        ("method", "runs", "searches", "search", "training", "all runs"),
        [
            [
                each.label,
                str(each.runs),
                str(each.searches),
                duration(each.search_seconds),
                duration(each.train_seconds),
                duration(each.seconds),
            ]
            for each in found
        ],
    )
    say(
        f"time       about {duration(total)} with --workers {workers}, if each of them has "
        f"{count_of(plan.threads, 'core')} to itself; the start of each run takes some seconds more"
    )
    for each in powers:
        say(
            f"power      {each.contrast}: {each.seeds} seeds find, in four of five cases, a "
            f"difference of {each.effect:.2f} standard deviations of the seeds' differences"
        )
    return 0

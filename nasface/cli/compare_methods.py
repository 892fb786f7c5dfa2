"""``nasface compare`` with a plan of methods."""

import time
from dataclasses import asdict
from pathlib import Path

from nasface.cli.compare import SUMMARY_PLOT, CompareCommand
from nasface.cli.console import console_progress, count_of, print_json, print_table, say
from nasface.engine.setup import check_plan_images
from nasface.errors import ConfigError
from nasface.progress import duration
from nasface.studies.equal_latency import with_measured_limit
from nasface.studies.estimate import estimate_comparison
from nasface.studies.executors import EXECUTORS
from nasface.studies.figure import plot_comparison
from nasface.studies.folder import Rows, finished
from nasface.studies.planned import contrast_powers
from nasface.studies.scheduler import run_comparison
from nasface.studies.spec import StudySpec, load_plan
from nasface.studies.study_run import runs_of
from nasface.studies.tables import REPORT, RUNS, read_summary_rows, write_tables

_SHARE_OF_TIME = 0.1


def run_methods_plan(path: Path, command: CompareCommand) -> int:
    """Run what is missing of a plan; return the exit code: 130 if it was stopped, 1 if runs
    failed."""
    plan = load_plan(path, command.data)
    out = command.out
    if out is None:
        raise ConfigError("--out: is missing; expected a folder for the comparison")
    executor = EXECUTORS.find(command.on, "--on")
    job = {**command.job, **({"address": command.address} if command.address else {})}
    with console_progress() as progress:
        if command.on == "local":
            missing = [run.train for run in runs_of(plan) if not finished(out, run)]
            check_plan_images(missing, progress)
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
            say(f"summary    {out / REPORT}, {out / SUMMARY_PLOT}")
    if outcome.stopped:
        progress.note("stopped; go on with the same command")
        return 130
    return 1 if outcome.failed else 0


def estimate_methods_plan(path: Path, command: CompareCommand) -> int:
    """Say how long the methods of a plan will take; return the exit code."""
    plan = load_plan(path, command.data)
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
        """Write them; return the text of summary.md."""
        text = write_tables(self.plan, rows, self.out, self.total)
        plot_comparison(rows, self.plan.metric).save(self.out / SUMMARY_PLOT)
        return text

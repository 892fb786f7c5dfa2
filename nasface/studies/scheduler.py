"""Runs what is missing of a comparison, wherever an executor computes it.

Every run has a folder, and the process that works in it holds a lock on it, which ends with the
process however that ends. So any number of calls, also the ranks of ``torchrun``, go down the same
list: take what is neither done nor taken, and leave the rest.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nasface.io.yaml import to_yaml
from nasface.progress import Progress, StopRequest, stop_on_interrupt
from nasface.studies.executors import OpenExecutor, StudyJob, Submit, local_executor
from nasface.studies.folder import (
    Rows,
    check_folder,
    check_runs,
    finished,
    finished_rows,
    write_plan,
)
from nasface.studies.phases import RESULT, SEARCHED
from nasface.studies.processes import RunTask
from nasface.studies.ranking import rank_phases
from nasface.studies.spec import StudySpec
from nasface.studies.study_run import StudyRun, runs_of

RESTARTS = 2
"""How often a run whose process or job was lost goes on from its checkpoint before it fails."""

_POLL_SECONDS = 0.2


@dataclass
class StudyOutcome:
    """What :func:`run_comparison` left: rows of all finished runs, in the plan's order."""

    rows: Rows
    total: int
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False

    @property
    def complete(self) -> bool:
        """Whether every run of the plan is done."""
        return len(self.rows) == self.total


def run_comparison(
    plan: StudySpec,
    out: Path,
    workers: int | None,
    progress: Progress,
    report: Callable[[Rows], object] = lambda _rows: None,
    executor: OpenExecutor = local_executor,
    job: Mapping[str, Any] = MappingProxyType({}),
) -> StudyOutcome:
    """Run what is missing; Ctrl-C stops all runs with a checkpoint, and a later call goes on.

    A run that fails is reported and does not keep the others from running. Under ``torchrun`` each
    rank calls this, on its own GPU. ``report`` is told all rows after each run. The ``executor``
    computes up to ``workers`` runs at a time (None: as many as it likes), with the settings
    ``job``.

    Raises:
        ConfigError: for a plan or settings that cannot be used, or weights that are not there.
            RunError: if the folder is something else's, or a run in it was begun with other
            settings.
    """
    runs = runs_of(plan)
    check_runs(out, runs)
    check_folder(out)

    def say(run: StudyRun) -> None:
        progress.note(row_text(finished(out, run) or {}, run))
        progress.advance()
        report(finished_rows(out, runs))

    progress.start(f"compare {plan.name}", len(runs), len(finished_rows(out, runs)))
    with stop_on_interrupt() as stop, executor(plan, out, workers, job) as submit:
        write_plan(plan, out)  # not before an executor that refuses its settings
        compute = partial(_compute, submit, stop, out, plan.threads)
        failed = compute([(run, _phases(run)) for run in runs], say)
        if plan.rank and not stop.asked and len(finished_rows(out, runs)) == len(runs):
            wanted = rank_phases(plan, out, runs)
            progress.start(f"rank {plan.name}", len(wanted))
            failed |= compute(wanted, lambda _run: progress.advance())
    for folder, reason in failed.items():
        progress.note(f"failed: {folder}: {reason}")
    return StudyOutcome(finished_rows(out, runs), len(runs), failed, stop.asked)


def row_text(row: Mapping[str, Any], run: StudyRun) -> str:
    """Return a finished run on one line: its figure, and what search and training took."""
    figure = row.get(run.metric)
    parts = [f"{run.metric} {'none' if figure is None else f'{figure:.3f}'}"]
    for phase in ("search", "train"):
        if row.get(f"{phase}_seconds"):
            parts.append(f"{phase} {row[f'{phase}_seconds']:.0f} s")
    return f"{run.title}: {', '.join(parts)}"


def _compute(
    submit: Submit,
    stop: StopRequest,
    out: Path,
    threads: int,
    wanted: Sequence[tuple[StudyRun, Mapping[str, str]]],
    done: Callable[[StudyRun], None],
) -> dict[str, str]:
    """Have the phases (name -> file that it leaves) of runs computed; ``done`` is called after each
    run that was not finished before. Return folder -> reason of those that failed."""
    tasks = {
        RunTask(str((out / run.path).resolve()), to_yaml(run), phases, threads): run
        for run, phases in wanted
        if not all((out / run.path / result).is_file() for result in phases.values())
    }
    waiting, jobs, lost = list(tasks), dict[StudyJob, RunTask](), Counter[RunTask]()
    failed = {}
    while not stop.asked:
        if ready := [task for task in waiting if _can_begin(out, tasks[task])]:
            waiting = [task for task in waiting if task not in ready]
            jobs |= zip(submit(ready), ready, strict=True)
        if not jobs:
            break
        time.sleep(_POLL_SECONDS)
        for job in [each for each in jobs if each.done()]:
            task = jobs.pop(job)
            try:
                reason = job.result()
            except Exception as problem:  # each executor has errors of its own
                lost[task] += 1
                if lost[task] <= RESTARTS:
                    waiting.append(task)
                    continue
                reason = f"was lost {lost[task]} times: {problem}"
            if reason:
                failed[str(out / tasks[task].path)] = reason
            elif reason is None:
                done(tasks[task])
    for run in map(tasks.__getitem__, waiting):
        if reason := failed.get(str(out / run.search_path)):
            failed[str(out / run.path)] = reason
    return failed


def _can_begin(out: Path, run: StudyRun) -> bool:
    """Return whether the search is made that a run shares with others."""
    return run.path == run.search_path or (out / run.search_path / SEARCHED).is_file()


def _phases(run: StudyRun) -> dict[str, str]:
    train = {"train": RESULT}
    return train if run.search is None else {"search": SEARCHED, **train}

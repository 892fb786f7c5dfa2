"""Runs what is missing of a comparison, wherever an executor computes it.

Every run has a folder, and the process that works in it holds a lock on it, which ends with the
process however that ends. So any number of calls, also the ranks of ``torchrun``, go down the same
list: take what is neither done nor taken, and leave the rest.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype, load_search_space
from nasface.errors import ConfigError, RunError
from nasface.io.files import write_text
from nasface.io.settings import load_config
from nasface.io.strict_json import REASONS, to_json
from nasface.io.yaml import to_yaml
from nasface.models import weights_path
from nasface.nas.selection import holds
from nasface.nas.zero_cost import PREDICTORS
from nasface.optional import PACKAGE
from nasface.progress import Progress, StopRequest, stop_on_interrupt
from nasface.studies.executors import OpenExecutor, Submit, local_executor
from nasface.studies.phases import (
    GENOTYPE_FILE,
    PREDICT_CELLS,
    PREDICTED,
    RANK_CELLS,
    RANKED,
    RESULT,
    SEARCHED,
)
from nasface.studies.processes import RUN, RunTask
from nasface.studies.spec import StudyRun, StudySpec, runs_of

PLAN = "plan.yaml"
RESTARTS = 2
"""How often a run whose process or job was lost goes on from its checkpoint before it fails."""

_POLL_SECONDS = 0.2

Rows = list[dict[str, Any]]


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
    for run in runs:
        _check_same(out, run)
        if finished(out, run) is None:
            _check_weights(run)
    _open(plan, out)
    done = sum(finished(out, run) is not None for run in runs)
    progress.start(f"compare {plan.name}", len(runs), done)
    failed: dict[str, str] = {}
    with stop_on_interrupt() as stop, executor(plan, out, workers, job) as submit:

        def rows() -> Rows:
            return [row for run in runs if (row := finished(out, run)) is not None]

        def each(run: StudyRun) -> None:
            progress.note(row_text(finished(out, run) or {}, run))
            progress.advance()
            report(rows())

        work = partial(_work, submit, stop, out, plan.threads)
        failed |= work([(run, _phases(run)) for run in runs], each)
        found = rows()
        if len(found) == len(runs) and plan.rank and not stop.asked:
            tasks = rank_tasks(plan, out, runs)
            progress.start(f"rank {plan.name}", len(tasks))
            failed |= work(tasks, lambda _run: progress.advance())
    for folder, reason in failed.items():
        progress.note(f"failed: {folder}: {reason}")
    return StudyOutcome(rows(), len(runs), failed, stop.asked)


def row_text(row: Mapping[str, Any], run: StudyRun) -> str:
    """A finished run on one line: its figure, and what search and training took."""
    figure = row.get(run.metric)
    parts = [f"{run.metric} {'none' if figure is None else f'{figure:.3f}'}"]
    for phase in ("search", "train"):
        if row.get(f"{phase}_seconds"):
            parts.append(f"{phase} {row[f'{phase}_seconds']:.0f} s")
    return f"{run.label}, seed {run.seed}: {', '.join(parts)}"


def finished(out: Path, run: StudyRun) -> dict[str, Any] | None:
    """The row of a run, if it is done."""
    path = out / run.path / RESULT
    if not path.is_file():
        return None
    row: dict[str, Any] = json.loads(path.read_text("utf-8"))
    row.pop(REASONS, None)
    return row


def cells_of(out: Path, runs: Sequence[StudyRun]) -> dict[str, Path]:
    """Path of a run -> the genotype that it found."""
    paths = {run.path: out / run.path / GENOTYPE_FILE for run in runs if run.search is not None}
    return {name: path for name, path in paths.items() if path.is_file()}


def _check_same(out: Path, run: StudyRun) -> None:
    path = out / run.path / RUN
    if path.is_file() and (where := load_config(StudyRun, path).difference(run)):
        raise RunError(
            f"{path}: {where} is not what the plan has now; choose another --out, or remove the "
            "folder of this run"
        )


def _check_weights(run: StudyRun) -> None:
    """Before the first run starts, not once in each that fails."""
    named = {"train.start_weights": run.train.start_weights}
    for phase, config in (("search", run.search), ("train", run.train)):
        if config is not None and not config.backbone_weights.startswith(PACKAGE):
            named[f"{phase}.backbone_weights"] = config.backbone_weights
    for key, file in named.items():
        if file and not weights_path(file).is_file():
            raise ConfigError(
                f"{run.label}: {key}: {file} does not exist, expected a weights file or the name "
                "of a released detector"
            )


def _work(
    submit: Submit,
    stop: StopRequest,
    out: Path,
    threads: int,
    wanted: Sequence[tuple[StudyRun, Mapping[str, str]]],
    done: Callable[[StudyRun], None],
) -> dict[str, str]:
    """Have the phases (name -> file that it leaves) of runs computed; ``done`` is called after each
    run that was not finished before. Returns folder -> reason of those that failed."""
    tasks = {
        RunTask(str((out / run.path).resolve()), to_yaml(run), phases, threads): run
        for run, phases in wanted
        if not all((out / run.path / result).is_file() for result in phases.values())
    }
    failed, lost = {}, Counter[RunTask]()
    jobs = list(zip(submit(list(tasks)), tasks, strict=True)) if tasks else []
    while jobs and not stop.asked:
        time.sleep(_POLL_SECONDS)
        for job, task in [each for each in jobs if each[0].done()]:
            jobs.remove((job, task))
            try:
                reason = job.result()
            except Exception as problem:
                lost[task] += 1
                if lost[task] <= RESTARTS:
                    jobs += zip(submit([task]), [task], strict=True)
                    continue
                reason = f"was lost {lost[task]} times: {problem}"
            if reason:
                failed[str(out / tasks[task].path)] = reason
            elif reason is None:
                done(tasks[task])
    return failed


def _phases(run: StudyRun) -> dict[str, str]:
    train = {"train": RESULT}
    return train if run.search is None else {"search": SEARCHED, **train}


def rank_tasks(
    plan: StudySpec, out: Path, runs: Sequence[StudyRun]
) -> list[tuple[StudyRun, Mapping[str, str]]]:
    """What is to score cells: each supernet those of its space, and the first run that has cells
    all of them by zero-cost predictors."""
    cells = {name: load_genotype(path) for name, path in cells_of(out, runs).items()}
    tasks: list[tuple[StudyRun, Mapping[str, str]]] = []
    for run in runs:
        if run.search is not None and run.method in plan.rank:
            space = load_search_space(run.search.space, run.search.parameters)
            own = {name: cell for name, cell in cells.items() if holds(space, cell)}
            _ask(out, run, own, RANKED, RANK_CELLS)
            tasks.append((run, {"rank": RANKED}))
    names = [name for name in plan.rank if name in PREDICTORS]
    if names and cells:
        first = next(run for run in runs if run.path in cells)
        _ask(out, first, cells, PREDICTED, PREDICT_CELLS, names)
        tasks.append((first, {"predict": PREDICTED}))
    return tasks


def _ask(
    out: Path,
    run: StudyRun,
    cells: Mapping[str, Genotype],
    result: str,
    file: str,
    names: Sequence[str] = (),
) -> None:
    """Write down for a run which genotypes it is to score, equal cells once, and by what. A result
    for others is put away."""
    folder = out / run.path
    distinct = {tuple(cell.cells.items()): name for name, cell in cells.items()}
    asked = {
        "cells": [
            os.path.relpath(out / name / GENOTYPE_FILE, folder) for name in distinct.values()
        ],
        "by": list(names),
    }
    text = to_json(asked)
    path = folder / file
    if not path.is_file() or path.read_text("utf-8") != text:
        (folder / result).unlink(missing_ok=True)
        write_text(path, text)


def _open(plan: StudySpec, out: Path) -> None:
    known = (out / PLAN).is_file()
    if out.exists() and not known and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out}: is not the folder of a comparison; choose another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / PLAN, to_yaml(plan))
    except OSError as problem:
        raise RunError(f"{out}: cannot write there: {problem.strerror}") from None

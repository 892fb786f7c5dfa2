"""Runs what is missing of a comparison, in several processes side by side.

Every run has a folder, and the process that works in it holds a lock on it, which ends with the
process however that ends. So any number of calls, also the ranks of ``torchrun``, go down the same
list: take what is neither done nor taken, and leave the rest.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

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
from nasface.studies.executors import StudyExecutor
from nasface.studies.processes import run_environment, run_phases
from nasface.studies.spec import StudyRun, StudySpec, runs_of
from nasface.studies.worker import (
    GENOTYPE_FILE,
    LOCK,
    PREDICT_CELLS,
    PREDICTED,
    RANK_CELLS,
    RANKED,
    RESULT,
    RUN,
    SEARCHED,
)

PLAN = "plan.yaml"
_POLL_SECONDS = 0.5

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
    workers: int,
    progress: Progress,
    report: Callable[[Rows], object] = lambda _rows: None,
    make_executor: Callable[[], StudyExecutor] = lambda: run_phases,
) -> StudyOutcome:
    """Run what is missing; Ctrl-C stops all runs with a checkpoint, and a later call goes on.

    A run that fails is reported and does not keep the others from running. Under ``torchrun`` each
    rank calls this, on its own GPU. ``report`` is told all rows after each run; what
    ``make_executor`` gives, once the folder is there, computes a run.

    Raises:
        ConfigError: for a plan that cannot be used, or names weights that are not there. RunError:
            if the folder is something else's, or a run in it was begun with other settings.
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
    with stop_on_interrupt() as stop, run_environment(plan.threads):

        def rows() -> Rows:
            return [row for run in runs if (row := finished(out, run)) is not None]

        def each(run: StudyRun) -> None:
            progress.note(row_text(finished(out, run) or {}, run))
            progress.advance()
            report(rows())

        work = partial(_work, out, make_executor(), stop=stop, workers=workers)
        failed |= work([(run, _phases(run)) for run in runs], each)
        found = rows()
        if len(found) == len(runs) and plan.rank and not stop.asked:
            tasks = rank_tasks(plan, out, runs)
            progress.start(f"rank {plan.name}", len(tasks))
            failed |= work(tasks, lambda _run: progress.advance())
    for folder, reason in failed.items():
        progress.note(f"failed: {folder}: {reason}")
    return StudyOutcome(found, len(runs), failed, stop.asked)


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
    out: Path,
    execute: StudyExecutor,
    tasks: Iterable[tuple[StudyRun, Mapping[str, str]]],
    done: Callable[[StudyRun], None],
    *,
    stop: StopRequest,
    workers: int,
) -> dict[str, str]:
    """Go through the phases (name -> file that it leaves) of runs, so many at a time; ``done`` is
    called after each that was not finished before. Returns folder -> reason of those that failed.
    """
    failed = {}
    with ThreadPoolExecutor(workers) as pool:
        waiting: dict[Future[str | None], StudyRun] = {}
        for run, phases in tasks:
            folder = out / run.path
            if not all((folder / result).is_file() for result in phases.values()):
                waiting[pool.submit(_take, execute, folder, run, phases, stop)] = run
        while waiting:
            # With a timeout, so that Ctrl-C is seen in between.
            for each in wait(waiting, _POLL_SECONDS, FIRST_COMPLETED).done:
                run, reason = waiting.pop(each), each.result()
                if reason:
                    failed[str(out / run.path)] = reason
                elif reason is None:
                    done(run)
    return failed


def _take(
    execute: StudyExecutor,
    folder: Path,
    run: StudyRun,
    phases: Mapping[str, str],
    stop: StopRequest,
) -> str | None:
    """Work on a run: None if it is finished, else why it failed; empty if another has it, or after
    a stop."""
    if stop.asked:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RUN, to_yaml(run))
    return execute(folder, phases, lambda: stop.asked)


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
        with FileLock(out / LOCK, blocking=False):
            write_text(out / PLAN, to_yaml(plan))
    except Timeout:
        return  # another call is writing it
    except OSError as problem:
        raise RunError(f"{out}: cannot write there: {problem.strerror}") from None

"""Runs what is missing of a comparison, in several processes side by side.

Every run has a folder, and whoever works in it holds a lock on it (``flock``), which ends with its
process however that ends. So any number of workers, also those of several ``torchrun`` ranks or of
several calls, go down the same list: take what is neither done nor taken, and leave the rest.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nasface.arch.io import load_genotype
from nasface.errors import ConfigError, RunError
from nasface.io.files import write_text
from nasface.io.settings import load_config
from nasface.io.strict_json import REASONS, to_json
from nasface.io.yaml import to_yaml
from nasface.progress import Progress, StopRequest, stop_on_interrupt
from nasface.studies.spec import StudyRun, StudySpec, runs_of
from nasface.studies.worker import GENOTYPE_FILE, RANKED, RESULT, RUN, SEARCHED, STOPPED

PLAN, LOG = "plan.yaml", "log.txt"
_POLL_SECONDS = 0.5


@dataclass
class StudyOutcome:
    """What :func:`run_comparison` left: rows of all finished runs, in the plan's order."""

    rows: list[dict[str, Any]]
    total: int
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False

    @property
    def complete(self) -> bool:
        """Whether every run of the plan is done."""
        return len(self.rows) == self.total


class _Worker:
    """Takes runs and starts the process of each of their phases."""

    def __init__(self, out: Path, environment: Mapping[str, str], stop: StopRequest) -> None:
        self.out, self.environment, self.stop = out, dict(environment), stop
        self.failed: dict[str, str] = {}

    def take(self, run: StudyRun, phases: Mapping[str, str], progress: Progress) -> None:
        """Go through the phases of a run (phase -> file that it leaves) unless it is taken."""
        folder = self.out / run.path
        if self.stop.asked or self._done(folder, phases):
            return
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder) as lock:
            if lock is None or self._done(folder, phases):
                return
            write_text(folder / RUN, to_yaml(run))
            for phase, result in phases.items():
                if not (folder / result).is_file() and not self._run_phase(folder, phase, lock):
                    return
        progress.advance(_figures(folder, run))

    def _done(self, folder: Path, phases: Mapping[str, str]) -> bool:
        return all((folder / result).is_file() for result in phases.values())

    def _run_phase(self, folder: Path, phase: str, lock: int) -> bool:
        with (folder / LOG).open("a", encoding="utf-8") as log:
            # In a session of its own: Ctrl-C on the terminal reaches us alone, and we ask it to
            # stop. It inherits the lock, so that nobody else starts where it is still at work.
            process = subprocess.Popen(
                [sys.executable, "-m", "nasface.studies.worker", str(folder.resolve()), phase],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
                pass_fds=(lock,),
            )
            asked = False
            while process.poll() is None:
                if self.stop.asked and not asked:
                    process.send_signal(signal.SIGINT)
                    asked = True
                try:
                    process.wait(_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        if process.returncode not in (0, STOPPED) and not self.stop.asked:
            lines = (folder / LOG).read_text("utf-8").splitlines()
            self.failed[str(folder)] = lines[-1] if lines else f"ended with {process.returncode}"
        return process.returncode == 0


def run_comparison(plan: StudySpec, out: Path, workers: int, progress: Progress) -> StudyOutcome:
    """Run what is missing; Ctrl-C stops all runs with a checkpoint, and a later call goes on.

    A run that fails is reported and does not keep the others from running. Under ``torchrun`` each
    rank calls this, on its own GPU.

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
    with stop_on_interrupt() as stop:
        worker = _Worker(out, _environment(plan.threads), stop)
        _work(worker, [(run, _phases(run)) for run in runs], workers, progress)
        rows = [row for run in runs if (row := finished(out, run)) is not None]
        if len(rows) == len(runs) and plan.rank and not stop.asked:
            ranked = [run for run in runs if run.method in plan.rank]
            progress.start(f"rank {plan.name}", len(ranked))
            _list_cells(out, runs, ranked)
            _work(worker, [(run, {"rank": RANKED}) for run in ranked], workers, progress)
    for folder, reason in worker.failed.items():
        progress.note(f"failed: {folder}: {reason}")
    return StudyOutcome(rows, len(runs), worker.failed, stop.asked)


def finished(out: Path, run: StudyRun) -> dict[str, Any] | None:
    """The row of a run, if it is done."""
    path = out / run.path / RESULT
    if not path.is_file():
        return None
    row: dict[str, Any] = json.loads(path.read_text("utf-8"))
    row.pop(REASONS, None)
    return row


def cells_of(out: Path, runs: list[StudyRun]) -> dict[str, Path]:
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
        if config is not None:
            named[f"{phase}.backbone_weights"] = config.backbone_weights
    for key, file in named.items():
        if file and not Path(file).is_file():
            raise ConfigError(f"{run.label}: {key}: {file} does not exist, expected a weights file")


def _work(
    worker: _Worker,
    tasks: list[tuple[StudyRun, dict[str, str]]],
    workers: int,
    progress: Progress,
) -> None:
    with ThreadPoolExecutor(workers) as pool:
        waiting = {pool.submit(worker.take, run, phases, progress) for run, phases in tasks}
        while waiting:
            done, waiting = wait(waiting, timeout=_POLL_SECONDS)
            for each in done:
                each.result()


def _phases(run: StudyRun) -> dict[str, str]:
    train = {"train": RESULT}
    return train if run.search is None else {"search": SEARCHED, **train}


def _list_cells(out: Path, runs: list[StudyRun], ranked: list[StudyRun]) -> None:
    """Tell each supernet which cells are of its space: every distinct one that was trained."""
    cells = {name: load_genotype(path) for name, path in cells_of(out, runs).items()}
    for run in ranked:
        folder, own = out / run.path, cells[run.path]
        same = [name for name, cell in cells.items() if cell.space.digest == own.space.digest]
        relative = [os.path.relpath(out / name / GENOTYPE_FILE, folder) for name in same]
        write_text(folder / "cells.json", to_json(relative))


def _open(plan: StudySpec, out: Path) -> None:
    known = (out / PLAN).is_file()
    if out.exists() and not known and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out}: is not the folder of a comparison; choose another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _lock(out) as lock:
            if lock is not None:
                write_text(out / PLAN, to_yaml(plan))
    except OSError as problem:
        raise RunError(f"{out}: cannot write there: {problem.strerror}") from None


def _environment(threads: int) -> dict[str, str]:
    """That of the runs: each is a process by itself, on the GPU of its rank."""
    kept = dict(os.environ)
    kept["OMP_NUM_THREADS"] = str(threads)
    local = kept.pop("LOCAL_RANK", None)
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_WORLD_SIZE"):
        kept.pop(name, None)
    if local is not None and "CUDA_VISIBLE_DEVICES" not in kept:
        kept["CUDA_VISIBLE_DEVICES"] = local
    return kept


@contextmanager
def _lock(folder: Path) -> Iterator[int | None]:
    """A descriptor that holds the folder's lock, or none if another process has it."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield None
    else:
        yield descriptor
    finally:
        os.close(descriptor)


def _figures(folder: Path, run: StudyRun) -> dict[str, float]:
    if not (folder / RESULT).is_file():
        return {}
    value = json.loads((folder / RESULT).read_text("utf-8")).get(run.metric)
    return {} if value is None else {f"{run.label} seed {run.seed} {run.metric}": value}

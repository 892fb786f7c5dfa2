"""Estimate of a comparison before it starts: a few steps of each method are timed."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nasface.arch.io import load_search_space, save_genotype
from nasface.device import choose_device
from nasface.engine.distributed.world import World
from nasface.engine.estimate import estimate_search, estimate_training
from nasface.engine.job import RunContext
from nasface.engine.search import load_search_inputs, make_search_job
from nasface.engine.train import TrainConfig, load_train_inputs, make_train_job
from nasface.errors import RunError
from nasface.nas.sampling import random_genotype
from nasface.progress import Progress
from nasface.studies.halving import SELECTION_SHARE, TRAINED
from nasface.studies.spec import StudySpec
from nasface.studies.study_run import StudyRun, runs_of

_PROCESS_MB = 850.0
"""Memory of a process that has imported torch, with its images; builds for CUDA take the most, 801
MB with torch 2.13.0 and Python 3.14."""


@dataclass(frozen=True)
class MethodEstimate:
    """Seconds of a search and of a training of a method, of which the plan has ``searches`` and
    ``runs``: trainings of one seed share a search."""

    label: str
    runs: int
    searches: int
    search_seconds: float
    train_seconds: float

    @property
    def seconds(self) -> float:
        """Of all its runs, one after the other."""
        return self.searches * self.search_seconds + self.runs * self.train_seconds


def estimate_comparison(plan: StudySpec, progress: Progress) -> list[MethodEstimate]:
    """Time a few steps of each method's search and training, in this process.

    A cell drawn at random stands for the one that a search would find. A supernet that several
    methods share is counted for the first of them. The scoring of random cells is not counted, nor
    is the start of the processes, some seconds each.

    Raises:
        NasfaceError: for a plan whose runs could not start.
    """
    runs, first = runs_of(plan), _first_runs(plan)
    labels = list(dict.fromkeys(run.label for run in runs))
    progress.start("estimate", len(labels))
    found = []
    for label in labels:
        own = [run for run in runs if run.label == label]
        searches = sum(_has_search(run) and run.search_path == run.path for run in own)
        run = first[label]
        training = _train_seconds(run)
        search = _search_seconds(run, training)
        found.append(MethodEstimate(label, len(own), searches, search, training))
        progress.advance()
    return found


def _has_search(run: StudyRun) -> bool:
    return run.search is not None and run.strategy != "random"


def _search_seconds(run: StudyRun, training: float) -> float:
    if run.search is None or not _has_search(run) or run.supernet:
        return 0.0
    if run.strategy in TRAINED:
        rounds = TRAINED[run.strategy](run.candidates, run.train.epochs)
        share = sum(each.cells * each.epochs for each in rounds) / run.train.epochs
        return share * (1 - SELECTION_SHARE) * training
    found = estimate_search(run.search)
    if found.seconds is None:
        raise RunError(
            f"{run.label}: needs {found.activations_mb + found.state_mb:.0f} MB, available are "
            f"{found.available_mb:.0f}; expected a smaller batch_size or augment.size"
        )
    return found.seconds


def _train_seconds(run: StudyRun) -> float:
    with _ready_to_train(run) as config:
        return estimate_training(config, load_train_inputs(config))


@contextmanager
def _ready_to_train(run: StudyRun) -> Iterator[TrainConfig]:
    """Yield the settings of a run's training; where its search is not made yet, with a random
    cell."""
    if run.search is None:
        yield run.train
        return
    space = load_search_space(run.search.space, run.search.parameters)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "genotype.yaml"
        save_genotype(random_genotype(space, run.seed), path)
        yield replace(run.train, genotype=str(path))


def memory_mb(plan: StudySpec) -> float:
    """Return the host memory that a run of the plan takes at most, in millions of bytes.

    Half of the activations that a step keeps come on top for buffers; what runs on a GPU keeps
    both there.

    Raises:
        NasfaceError: for a plan whose runs could not start.
    """
    return _PROCESS_MB + max(map(_step_mb, _first_runs(plan).values()))


def _step_mb(run: StudyRun) -> float:
    context = RunContext(World(), choose_device(run.train.device))
    if context.device.type != "cpu":
        return 0.0
    with _ready_to_train(run) as config:
        steps = [make_train_job(config, load_train_inputs(config), context).footprint()]
    if run.search is not None and run.strategy != "random":
        inputs = load_search_inputs(run.search)
        steps.append(make_search_job(run.search, inputs, context).footprint())
    return max(1.5 * each.activations_mb + each.state_mb for each in steps)


def _first_runs(plan: StudySpec) -> dict[str, StudyRun]:
    """Return a run of each row, by its label."""
    return {run.label: run for run in reversed(runs_of(plan))}

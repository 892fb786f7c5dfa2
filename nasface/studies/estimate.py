"""What a comparison will take, before it starts: a few steps of each method are timed."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from nasface.arch.io import load_search_space, save_genotype
from nasface.engine.estimate import estimate_search, estimate_training
from nasface.engine.train import load_train_inputs
from nasface.errors import RunError
from nasface.nas.sampling import random_genotype
from nasface.progress import Progress
from nasface.studies.halving import SELECTION_SHARE, halving_rounds
from nasface.studies.spec import HALVING, StudyRun, StudySpec, runs_of


@dataclass(frozen=True)
class MethodEstimate:
    """Seconds of one run of a method, of which the plan has ``runs``."""

    label: str
    runs: int
    search_seconds: float
    train_seconds: float

    @property
    def seconds(self) -> float:
        """Of all its runs, one after the other."""
        return self.runs * (self.search_seconds + self.train_seconds)


def estimate_comparison(plan: StudySpec, progress: Progress) -> list[MethodEstimate]:
    """Time a few steps of each method's search and training, in this process.

    A cell drawn at random stands for the one that a search would find. The scoring of random cells
    by a supernet is not counted, nor is the start of the processes, some seconds each.

    Raises:
        NasfaceError: for a plan whose runs could not start.
    """
    runs = runs_of(plan)
    first = {run.label: run for run in reversed(runs)}
    labels = list(dict.fromkeys(run.label for run in runs))
    progress.start("estimate", len(labels))
    found = []
    for label in labels:
        count = sum(run.label == label for run in runs)
        run = first[label]
        training = _train_seconds(run)
        found.append(MethodEstimate(label, count, _search_seconds(run, training), training))
        progress.advance()
    return found


def _search_seconds(run: StudyRun, training: float) -> float:
    if run.search is None or run.strategy == "random":
        return 0.0
    if run.strategy == HALVING:
        rounds = halving_rounds(run.candidates, run.train.epochs)
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
    if run.search is None:
        return estimate_training(run.train, load_train_inputs(run.train))
    space = load_search_space(run.search.space, run.search.parameters)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "genotype.yaml"
        save_genotype(random_genotype(space, run.seed), path)
        config = replace(run.train, genotype=str(path))
        return estimate_training(config, load_train_inputs(config))

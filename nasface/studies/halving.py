"""Successive halving: random search with early stopping.

Many random cells are trained for a short time, the best third of them three times as long, and so
on until one is left (Jamieson and Talwalkar, AISTATS 2016; for architectures Li and Talwalkar, UAI
2019). Cells are compared on a part of the training images, which their trainings leave out, so that
the validation images remain for the figure. Deviation: a training that goes on begins anew, with a
schedule of its own length.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from nasface.arch.genotype import Genotype
from nasface.arch.io import save_genotype
from nasface.arch.space import SearchSpace
from nasface.engine.train import TrainConfig, run_training
from nasface.nas.selection import Judge
from nasface.progress import Progress
from nasface.runs.folder import RunFolder

SELECTION_SHARE = 0.2
"""Part of the training images on which cells are compared."""
_FACTOR = 3
_SCORE = "score.json"
_DRAWS = 1000


@dataclass(frozen=True)
class HalvingRound:
    """So many cells, trained for so many epochs each."""

    cells: int
    epochs: int


def halving_rounds(cells: int, epochs: int) -> list[HalvingRound]:
    """Return the rounds that begin with so many cells and end with ``epochs`` for one or two.

    Every round has a third of the cells of the one before, and three times its epochs, which are at
    least 1.

    >>> [(each.cells, each.epochs) for each in halving_rounds(9, 18)]
    [(9, 2), (3, 6), (1, 18)]
    """
    counts = [cells]
    while counts[-1] >= _FACTOR:
        counts.append(counts[-1] // _FACTOR)
    last = len(counts) - 1
    return [
        HalvingRound(count, max(1, round(epochs / _FACTOR ** (last - at))))
        for at, count in enumerate(counts)
    ]


@dataclass(frozen=True)
class Halved:
    """The cell that is left, and what all trainings together took."""

    genotype: Genotype
    seconds: float
    peak_mb: float


def halve(
    space: SearchSpace,
    config: TrainConfig,
    cells: int,
    allowed: Callable[[Genotype], bool],
    folder: Path,
    progress: Progress,
) -> Halved | None:
    """Train random cells round by round in ``folder``; None if that was stopped, after which the
    same call goes on.

    ``config`` is the training of the last round; its seed is also that of the cells, which are
    those that random search would draw among the ``allowed``.
    """
    left = _random_cells(space, cells, allowed, config.seed)
    seconds, peak = 0.0, 0.0
    for number, each in enumerate(halving_rounds(len(left), config.epochs)):
        scored = []
        for at, genotype in left[: each.cells]:
            place = folder / f"round-{number}" / f"cell-{at}"
            found = _score(genotype, replace(config, epochs=each.epochs), place, progress)
            if found is None:
                return None
            scored.append((found["ap"], at, genotype))
            seconds, peak = seconds + found["seconds"], max(peak, found["peak_mb"])
        # The first of equals, whose number is the least.
        left = [(at, genotype) for _, at, genotype in sorted(scored, key=lambda s: (-s[0], s[1]))]
    return Halved(left[0][1], seconds, peak)


def _random_cells(
    space: SearchSpace, cells: int, allowed: Callable[[Genotype], bool], seed: int
) -> list[tuple[int, Genotype]]:
    """Distinct ones, numbered; fewer where the space has no more."""
    judge = Judge(space, lambda genotype: 0.0, cells, allowed, seed)
    found: dict[Any, Genotype] = {}
    for choices in islice(judge.drawn(), _DRAWS):
        found.setdefault(tuple(choices.items()), judge.genotype(choices))
        if len(found) == cells:
            break
    return list(enumerate(found.values()))


def _score(
    genotype: Genotype, config: TrainConfig, place: Path, progress: Progress
) -> dict[str, float] | None:
    """AP on the part of the training images that is left out, and what the training took; None if
    it was stopped."""
    if (place / _SCORE).is_file():
        kept: dict[str, float] = json.loads((place / _SCORE).read_text("utf-8"))
        return kept
    place.mkdir(parents=True, exist_ok=True)
    save_genotype(genotype, place / "genotype.yaml")
    settings = replace(
        config,
        genotype=str(place / "genotype.yaml"),
        val_fraction=SELECTION_SHARE,
        evaluate_every=config.epochs,
    )
    outcome = run_training(
        settings, place / "train", progress, resume=(place / "train" / "checkpoint.pt").is_file()
    )
    if not outcome.finished:
        return None
    summary = json.loads((place / "train" / "summary.json").read_text("utf-8"))
    ap = outcome.metrics["ap"]
    score = {
        # Without a face to find, cells are all alike.
        "ap": 0.0 if ap is None else ap,
        "seconds": summary["seconds"],
        "peak_mb": summary["peak_memory_mb"],
    }
    RunFolder(place).write_json(_SCORE, score)
    return score

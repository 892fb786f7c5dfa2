"""Random search among trained cells, and with early stopping, which is successive halving.

Of the one, all random cells are trained, and the best is kept (Li and Talwalkar, UAI 2019). Of the
other, many are trained for a short time, the best third of them three times as long, and so on
until one is left (Jamieson and Talwalkar, AISTATS 2016). Cells are compared on a part of the
training images, which these trainings leave out, so that the validation images remain for the
figure. Deviation: a training that goes on begins anew, with a schedule of its own length.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from nasface.arch.genotype import Genotype
from nasface.arch.io import save_genotype
from nasface.arch.space import SearchSpace
from nasface.engine.train import TrainConfig, run_training
from nasface.nas.selection import CellScorer
from nasface.progress import Progress
from nasface.runs.folder import RunFolder, read_summary, resume_or_clear

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


def one_round(cells: int, epochs: int) -> list[HalvingRound]:
    """Return the one round in which all cells are trained to the end."""
    return [HalvingRound(cells, epochs)]


def halving_rounds(cells: int, epochs: int) -> list[HalvingRound]:
    """Return the rounds that begin with so many cells and leave one or two for ``epochs``.

    Every round has a third of the cells of the one before, and three times its epochs, which are at
    least 1. There is no round of a single cell, which has no rival.

    >>> [(each.cells, each.epochs) for each in halving_rounds(9, 18)]
    [(9, 2), (3, 6)]
    """
    counts = [cells]
    while counts[-1] >= _FACTOR:
        counts.append(counts[-1] // _FACTOR)
    last = len(counts) - 1
    return [
        HalvingRound(count, max(1, round(epochs / _FACTOR ** (last - at))))
        for at, count in enumerate(counts)
        if count > 1
    ]


Rounds: TypeAlias = Callable[[int, int], list[HalvingRound]]
"""From numbers of cells and epochs to the rounds in which the cells are trained."""

TRAINED: Mapping[str, Rounds] = MappingProxyType(
    {"halving": halving_rounds, "random-trained": one_round}
)
"""Strategies of comparisons that choose among cells by training them."""


@dataclass(frozen=True)
class FoundCells:
    """The cells that a strategy chose, the seconds that this took, and its peak memory in MB."""

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
    rounds: Rounds = halving_rounds,
) -> FoundCells | None:
    """Train random cells in ``folder``, in ``rounds`` of ever fewer; None if that was stopped,
    after which the same call goes on.

    ``config`` is the training of the cell that is left; its seed is also that of the cells, which
    are those that random search would draw among the ``allowed``.
    """
    left = _random_cells(space, cells, allowed, config.seed)
    seconds, peak = 0.0, 0.0
    for number, each in enumerate(rounds(len(left), config.epochs)):
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
    return FoundCells(left[0][1], seconds, peak)


def _random_cells(
    space: SearchSpace, cells: int, allowed: Callable[[Genotype], bool], seed: int
) -> list[tuple[int, Genotype]]:
    """Return distinct random cells, numbered; fewer where the space has no more."""
    scorer = CellScorer(space, lambda genotype: 0.0, cells, allowed, seed)
    found: dict[Any, Genotype] = {}
    for choices in islice(scorer.drawn(), _DRAWS):
        found.setdefault(tuple(choices.items()), scorer.genotype(choices))
        if len(found) == cells:
            break
    return list(enumerate(found.values()))


def _score(
    genotype: Genotype, config: TrainConfig, place: Path, progress: Progress
) -> dict[str, float] | None:
    """Return AP on the part of the training images that is left out, and what the training took;
    None if it was stopped."""
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
    training = place / "train"
    outcome = run_training(settings, training, progress, resume=resume_or_clear(training))
    if not outcome.finished:
        return None
    summary = read_summary(training)
    ap = outcome.metrics["ap"]
    score = {
        # Without a face to find, cells are all alike.
        "ap": 0.0 if ap is None else ap,
        "seconds": summary["seconds"],
        "peak_mb": summary["peak_memory_mb"],
    }
    RunFolder(place).write_json(_SCORE, score)
    return score

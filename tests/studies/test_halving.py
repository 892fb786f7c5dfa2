"""Successive halving: rounds, what each trains, resuming."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import DETECTOR, write_tiny

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype, load_search_space
from nasface.data.augment import AugmentConfig
from nasface.engine.train import TrainConfig
from nasface.nas.sampling import random_genotype
from nasface.progress import Silent
from nasface.studies import halving
from nasface.studies.halving import TRAINED, halve, halving_rounds

SPACE = load_search_space("autofem-cpm", nodes=4)


def anything(_genotype: Genotype) -> bool:
    return True


@pytest.mark.parametrize(
    ("cells", "epochs", "rounds"),
    [
        (27, 27, [(27, 1), (9, 3), (3, 9)]),
        (10, 9, [(10, 1), (3, 3)]),
        (8, 6, [(8, 2), (2, 6)]),
        (2, 5, [(2, 5)]),
        (1, 5, []),
        (9, 1, [(9, 1), (3, 1)]),
    ],
)
def test_rounds_by_hand(cells: int, epochs: int, rounds: list[tuple[int, int]]) -> None:
    assert [(each.cells, each.epochs) for each in halving_rounds(cells, epochs)] == rounds


def test_the_best_third_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Scores are the cells' numbers; the last of three has no rival to be trained against."""
    asked: list[tuple[str, int]] = []

    def score(_genotype: Genotype, config: TrainConfig, place: Path, _progress: Any) -> Any:
        asked.append((f"{place.parent.name}/{place.name}", config.epochs))
        return {"ap": float(place.name[5:]), "seconds": 2.0, "peak_mb": 7.0}

    monkeypatch.setattr(halving, "_score", score)
    found = halve(SPACE, TrainConfig(epochs=9, seed=3), 9, anything, tmp_path, Silent())
    assert asked == [
        *((f"round-0/cell-{at}", 1) for at in range(9)),
        *((f"round-1/cell-{at}", 3) for at in (8, 7, 6)),
    ]
    assert found is not None
    assert (found.seconds, found.peak_mb) == (24.0, 7.0)
    asked.clear()
    config, rounds = TrainConfig(epochs=9, seed=3), TRAINED["random-trained"]
    trained = halve(SPACE, config, 4, anything, tmp_path, Silent(), rounds)
    assert asked == [(f"round-0/cell-{at}", 9) for at in range(4)]
    assert trained is not None
    drawn = [random_genotype(SPACE, 3, at + 1).cells for at in range(9)]
    assert [each.genotype.cells for each in (found, trained)] == [drawn[8], drawn[3]]


def test_cells_are_compared_on_training_images_that_are_left_out(tmp_path: Path) -> None:
    """And a call that goes on trains nothing twice."""
    config = TrainConfig(
        data=str(write_tiny(tmp_path / "data", train=10)),
        epochs=2,
        batch_size=2,
        detector=DETECTOR,
        augment=AugmentConfig(size=64),
    )
    out = tmp_path / "halving"
    found = halve(SPACE, config, 3, anything, out, Silent())
    assert found is not None
    assert [each.name for each in out.iterdir()] == ["round-0"]
    cells = sorted((out / "round-0").iterdir())
    assert len(cells) == 3
    scores = [json.loads((each / "score.json").read_text())["ap"] for each in cells]
    best = cells[scores.index(max(scores))]
    assert load_genotype(best / "genotype.yaml").cells == found.genotype.cells
    images = json.loads((best / "train" / "data.json").read_text())
    assert (images["train"]["images"], images["val"]["images"]) == (8, 2)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    again = halve(SPACE, config, 3, anything, out, Silent())
    assert again == found
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}

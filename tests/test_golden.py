"""Curves of a tiny search and a tiny training, as they were when they were recorded.

On one machine two runs are equal bit by bit, whatever the number of workers. Other processors round
otherwise, and an untrained network amplifies that: weights changed by 1e-7 of their value leave the
first losses alone, move later ones by up to 3e-3, gradient norms by a factor of two and choice
weights by 0.04. So the losses of the first two steps are compared within 1e-4 of their value, the
others within 2e-2, architecture parameters within 0.1, and gradient norms not at all. The last test
shows what that finds. After a change that is meant to move the curves, record them again: ``python
tests/test_golden.py``.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import AUGMENT, DETECTOR, OPTIMIZER, tiny_genotype, write_tiny

from nasface.arch.io import save_genotype
from nasface.detection.losses import LossConfig
from nasface.engine.search import SearchConfig, run_search
from nasface.engine.train import TrainConfig, run_training
from nasface.progress import Silent
from nasface.runs.folder import RunFolder, read_metrics

GOLDEN = Path(__file__).parent / "golden"
EARLY, LATE, CHOICES = 1e-4, 2e-2, 0.1


def search_config(folder: Path) -> SearchConfig:
    return SearchConfig(
        data=str(write_tiny(folder / "data")),
        space="autofem-fpn",
        epochs=3,
        warmup_epochs=1,
        batch_size=2,
        detector=DETECTOR,
        augment=AUGMENT,
        optimizer=replace(OPTIMIZER, lr=0.0005),
    )


def train_config(folder: Path) -> TrainConfig:
    save_genotype(tiny_genotype("autofem-fpn"), folder / "genotype.yaml")
    return TrainConfig(
        data=str(write_tiny(folder / "data")),
        genotype=str(folder / "genotype.yaml"),
        epochs=2,
        evaluate_every=2,
        batch_size=2,
        ema_decay=0.9,
        detector=DETECTOR,
        augment=AUGMENT,
        optimizer=replace(OPTIMIZER, lr=0.0005),
    )


def run(config: SearchConfig | TrainConfig, out: Path) -> Path:
    """Its metrics and, in a last row, the architecture parameters of a search."""
    if isinstance(config, SearchConfig):
        run_search(config, out, Silent())
        with np.load(out / "arch_history.npz") as history:
            alphas = history["alpha.fpn"][-1].flatten().tolist()
        row = {"step": -1, **{f"alpha {at}": value for at, value in enumerate(alphas)}}
        RunFolder(out).append(row)
    else:
        run_training(config, out, Silent())
    return out / "metrics.jsonl"


def far(ours: Path, golden: Path) -> list[str]:
    """Where two curves differ by more than rounding can."""
    found = []
    one, other = read_metrics(ours), read_metrics(golden)
    assert [(row["step"], *row) for row in one] == [(row["step"], *row) for row in other]
    for row, wanted in zip(one, other, strict=True):
        for name, value in wanted.items():
            if name == "gradient_norm":
                continue
            share, absolute = EARLY if 0 < row["step"] <= 2 else LATE, 1e-9
            if name.startswith("alpha"):
                share, absolute = 0.0, CHOICES
            if row[name] != pytest.approx(value, rel=share, abs=absolute):
                found.append(f"step {row['step']}: {name} {row[name]}, was {value}")
    return found


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize("kind", ["search", "training"])
def test_curves_are_the_recorded_ones_with_any_number_of_workers(kind: str, tmp_path: Path) -> None:
    config = search_config(tmp_path) if kind == "search" else train_config(tmp_path)
    alone = run(config, tmp_path / "alone")
    assert far(alone, GOLDEN / f"{kind}.jsonl") == []
    helped = run(replace(config, workers=4), tmp_path / "helped")
    assert helped.read_bytes() == alone.read_bytes()


def test_a_changed_method_is_seen(tmp_path: Path) -> None:
    config = search_config(tmp_path)
    changes: tuple[dict[str, Any], ...] = (
        {"loss": LossConfig(box_weight=1.99)},
        {"policy": "softmax"},
        {"optimizer": replace(config.optimizer, lr=0.01)},
    )
    for change in changes:
        curve = run(replace(config, **change), tmp_path / next(iter(change)))
        assert far(curve, GOLDEN / "search.jsonl"), change


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for config in (search_config(Path(name)), train_config(Path(name))):
            kind = "search" if isinstance(config, SearchConfig) else "training"
            (GOLDEN / f"{kind}.jsonl").write_bytes(run(config, Path(name) / kind).read_bytes())
    sys.exit()

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tiny import AUGMENT, DETECTOR, OPTIMIZER, StopAfter, tiny_genotype, write_tiny

from nasface.errors import NasfaceError
from nasface.faces.types import Predictions
from nasface.run.checkpoint import load_checkpoint
from nasface.run.config import TrainConfig
from nasface.run.progress import Silent
from nasface.run.train import run_training
from nasface.spec.store import save_genotype


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    folder = tmp_path_factory.mktemp("data")
    save_genotype(tiny_genotype(), folder / "genotype.yaml")
    return TrainConfig(
        data=str(write_tiny(folder / "data")),
        genotype=str(folder / "genotype.yaml"),
        epochs=2,
        evaluate_every=1,
        average=0.9,
        batch=3,
        detector=DETECTOR,
        augment=AUGMENT,
        optimizer=OPTIMIZER,
    )


@pytest.fixture(scope="module")
def trained(train: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "train"
    assert run_training(train, out, Silent()).finished
    return out


def test_run_folder_is_complete(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {
        "config.yaml", "genotype.yaml", "metrics.jsonl", "checkpoint.pt", "best.safetensors",
        "last.safetensors", "summary.json",
    }  # fmt: skip
    summary = json.loads((trained / "summary.json").read_text())
    assert summary["faces"] == 4
    assert summary["steps"] == 4


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_stopped_and_resumed_is_the_uninterrupted_run(
    steps: int, trained: Path, train: TrainConfig, tmp_path: Path
) -> None:
    out = tmp_path / "train"
    assert not run_training(train, out, StopAfter(steps)).finished
    assert run_training(train, out, Silent(), resume=True).finished
    assert (out / "metrics.jsonl").read_bytes() == (trained / "metrics.jsonl").read_bytes()
    for name in ("last.safetensors", "best.safetensors"):
        # Not byte by byte: safetensors writes the metadata in any order.
        with safe_open(out / name, "pt") as one, safe_open(trained / name, "pt") as other:
            assert one.metadata() == other.metadata()
            assert one.keys() == other.keys()
            for key in one.keys():  # noqa: SIM118 - not a mapping
                assert torch.equal(one.get_tensor(key), other.get_tensor(key)), key


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(
    train: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))

    def breaks(first: Predictions, second: Predictions, *_: object) -> torch.Tensor:
        return second.deltas_BA4.sum() * (float("nan") if next(calls) == 3 else 1e-6)

    monkeypatch.setattr("nasface.run.train.detection_loss", breaks)
    with pytest.raises(
        NasfaceError, match="loss became nan at step 3; the last checkpoint is kept"
    ):
        run_training(train, tmp_path / "train", Silent())
    assert load_checkpoint(tmp_path / "train" / "checkpoint.pt", "training")["step"] == 2

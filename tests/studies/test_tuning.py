"""Tuning: what is drawn from ranges, and which trial is found best."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from tiny import write_tiny

from nasface.cli.main import main
from nasface.engine.train import TrainConfig
from nasface.errors import ConfigError, RunError
from nasface.io.settings import load_config
from nasface.io.yaml import to_yaml
from nasface.progress import Silent
from nasface.runs.folder import read_metrics
from nasface.runs.logger import LoggedRun
from nasface.studies.trials import TunePlan, load_tune_plan, trials_of
from nasface.studies.tuning import run_tuning

pytest.importorskip("ray", reason="the extra ray is not installed")

TRAIN: dict[str, Any] = {
    "epochs": 4,
    "batch_size": 2,
    "detector": {"channels": 8, "head_layers": 1, "extra_channels": [16, 16], "neck": "fpn"},
    "augment": {"size": 64},
    "optimizer": {"name": "adamw", "warmup_steps": 1},
}


def plan(ranges: dict[str, Any], **more: Any) -> TunePlan:
    return TunePlan(**{"name": "t", "data": "d", "train": TRAIN, "ranges": ranges, **more})


def test_trials_are_drawn_within_their_ranges_the_same_each_time() -> None:
    ranges = {
        "optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True},
        "batch_size": {"low": 2, "high": 4},
        "loss.classification": ["focal", "hard_negatives"],
    }
    made = plan(ranges, trials=300, seed=3)
    trials = trials_of(made)
    assert trials == trials_of(made)
    assert {each.config.batch_size for each in trials} == {2, 3, 4}
    assert {each.config.loss.classification for each in trials} == {"focal", "hard_negatives"}
    rates = [each.config.optimizer.lr for each in trials]
    assert min(rates) >= 1e-4
    assert max(rates) <= 1e-1
    # By the logarithm: each of three decades has a third; binomial, 6 standard deviations wide.
    assert 51 < sum(rate < 1e-3 for rate in rates) < 149
    for each in trials:
        assert each.config.optimizer.lr == each.settings["optimizer.lr"]
        assert each.config.detector.channels == 8
        assert each.config.evaluate_every == 1


def test_lists_alone_are_combined() -> None:
    made = plan({"detector.neck": ["fpn", "pan"], "batch_size": [2, 4, 8]})
    configs = [each.config for each in trials_of(made)]
    found = [(config.detector.neck, config.batch_size) for config in configs]
    assert found == [(neck, size) for neck in ("fpn", "pan") for size in (2, 4, 8)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranges": {}}, "ranges: is empty"),
        ({"ranges": {"batch_size": []}}, r"ranges: batch_size: \[\], expected a list"),
        ({"ranges": {"optimizer.lr": {"low": 1, "high": 0.5}}, "trials": 1}, "expected a list"),
        (
            {"ranges": {"optimizer.lr": {"low": 0, "high": 1, "log": True}}, "trials": 1},
            "optimizer.lr: .*expected a list",
        ),
        ({"ranges": {"optimizer.lr": {"low": 0.1, "high": 1}}}, "trials: is missing"),
        ({"ranges": {"optimizer.rate": [1, 2]}}, "t: train: .*rate"),
        ({"ranges": {"evaluate_every": [1, 2]}}, "expected first_epochs"),
        ({"ranges": {"epochs": [4, 8]}}, "ranges: epochs: expected in train"),
        ({"ranges": {"batch_size": [2]}, "reduction": 1}, "reduction 1: expected"),
    ],
)
def test_what_cannot_be_used_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        trials_of(plan(**change))


def test_a_plan_is_read_from_a_file_and_another_folder_is_refused(tmp_path: Path) -> None:
    made = plan({"batch_size": [2, 4]})
    file = tmp_path / "tune.yaml"
    file.write_text(json.dumps({"name": "t", "ranges": made.ranges, "train": TRAIN}))
    assert load_tune_plan(file, "d") == made
    with pytest.raises(RunError, match="is not the folder of a tuning"):
        run_tuning(made, tmp_path, Silent(), None)


@pytest.mark.filterwarnings("ignore")  # of Ray
def test_a_cluster_that_is_not_there_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"address: localhost:1: .*refused"):
        run_tuning(plan({"batch_size": [2, 4]}), tmp_path / "out", Silent(), "localhost:1")
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_training_reports_its_evaluations_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune = pytest.importorskip("ray.tune")
    from nasface.runs.loggers.ray_tune import RayTuneLogger

    told: list[dict[str, float]] = []
    monkeypatch.setattr(tune, "report", told.append)
    rows = [{"step": 4, "loss": 1.0}, {"step": 4, "ap": 0.25}, {"step": 8, "ap": None}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parameters = {"evaluate_every": 2, "epochs": 5}
    logger = RayTuneLogger()
    logger.start(LoggedRun("id", "name", "training", tmp_path, parameters, step=8))
    logger.metrics(9, {"loss": 1.0})
    logger.metrics(10, {"ap": 0.5})
    assert told == [
        {"ap": 0.25, "epoch": 2},
        {"ap": 0.0, "epoch": 4},
        {"ap": 0.5, "epoch": 5},
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray
def test_the_better_trials_go_on_and_the_best_can_be_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_tiny(tmp_path / "data")
    # Rates at which nothing is learnt beside one at which something is.
    ranges = {"optimizer.lr": [1e-2, 1e-12, 1e-11]}
    train = {**TRAIN, "epochs": 9, "ema_decay": 0.0}
    file, out = tmp_path / "tune.yaml", tmp_path / "out"
    file.write_text(to_yaml(plan(ranges, data=str(data), train=train)))
    words = ["tune", str(file), "--out", str(out)]
    assert main(words) == 0
    rows = list(csv.DictReader((out / "trials.csv").read_text().splitlines()))
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    epochs = [int(row["epochs"]) for row in rows]
    assert set(epochs) <= {1, 3, 9}
    assert max(epochs) == 9
    for row in rows:
        found = read_metrics(out / "trials" / row["trial"] / "metrics.jsonl")
        assert len([each for each in found if "ap" in each]) == int(row["epochs"])
    best = load_config(TrainConfig, out / "best.yaml")
    assert best.log == ()
    ours = max(rows, key=lambda row: (int(row["epochs"]), float(row["ap"])))
    assert best.optimizer.lr == float(ours["optimizer.lr"])
    said = capsys.readouterr().out
    assert said.startswith("trials of t")
    assert f"lr {best.optimizer.lr:g}" in said
    assert main(["train", "--config", str(out / "best.yaml"), "--out", str(tmp_path / "f")]) == 0
    aps = [
        [each["ap"] for each in read_metrics(folder / "metrics.jsonl") if "ap" in each]
        for folder in (tmp_path / "f", out / "trials" / ours["trial"])
    ]
    assert aps[0] == aps[1]

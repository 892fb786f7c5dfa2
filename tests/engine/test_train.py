"""Trainings in a run folder: what is left, and how a stopped one goes on."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tiny import (
    AUGMENT,
    DETECTOR,
    Notes,
    StopAfter,
    nan_at,
    tiny_genotype,
)
from torch import nn
from trainings import make_job, tiny_training

from nasface.arch.io import save_genotype
from nasface.detection.backbones.registry import BACKBONES
from nasface.detection.losses import DetectionLoss, LossConfig
from nasface.detection.matching import MatchConfig
from nasface.engine.train import TrainConfig, load_train_inputs, run_training
from nasface.errors import ConfigError, NasfaceError
from nasface.nn.blocks import DropPath
from nasface.progress import Silent
from nasface.runs.checkpoint import load_checkpoint
from nasface.runs.folder import read_metrics


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return tiny_training(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(train: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "train"
    assert run_training(train, out, Silent()).finished
    return out


def test_run_folder_is_complete(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {
        "config.yaml", "data.json", "environment.json", "genotype.yaml", "metrics.jsonl",
        "checkpoint.pt",
        "best.safetensors", "last.safetensors", "summary.json",
    }  # fmt: skip
    summary = json.loads((trained / "summary.json").read_text())
    assert summary["faces"] == 4
    assert summary["steps"] == 4
    steps = [row["loss"] for row in read_metrics(trained / "metrics.jsonl") if "loss" in row]
    assert summary["final_loss"] == pytest.approx(np.mean(steps[2:]))  # two epochs of two steps


def test_one_step_an_epoch_and_no_face_to_find(train: TrainConfig, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(train.data, data)
    truth = data / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    truth.write_text(re.sub(r"(?m)^(\d+ \d+ \d+ \d+ \d \d \d) 0", r"\1 1", truth.read_text()))
    config = replace(train, data=str(data), epochs=1, batch_size=6)
    assert run_training(config, tmp_path / "out", Silent()).finished
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    step, evaluated = (
        json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()
    )
    assert summary["final_loss"] == step["loss"] > 0
    no_face = "no face to find on the validation images"
    assert evaluated["ap"] is None
    assert evaluated["reasons"] == {"ap": no_face}
    assert summary["reasons"]["best_ap"] == no_face


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
        tensors, others = load_file(out / name), load_file(trained / name)
        assert tensors.keys() == others.keys()
        for key, tensor in tensors.items():
            assert torch.equal(tensor, others[key]), key


def test_a_training_with_dropout_goes_on_the_same(
    train: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever torch's own stream has given before; each step draws other numbers."""
    drawn = []

    def drop(path: DropPath, x_BCHW: torch.Tensor) -> torch.Tensor:
        if path.training:
            drawn.append(tuple(torch.rand(8).tolist()))
        return nn.functional.dropout(x_BCHW, 0.3, path.training)

    monkeypatch.setattr(DropPath, "forward", drop)
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert run_training(train, whole, Silent()).finished
    assert len(set(drawn)) == len(drawn) > 4
    assert not run_training(train, halves, StopAfter(2)).finished
    torch.rand(5)
    assert run_training(train, halves, Silent(), resume=True).finished
    assert (halves / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()


def test_a_teacher_adds_to_the_loss_by_its_weight(train: TrainConfig, tmp_path: Path) -> None:
    config = replace(
        train,
        teacher="asfd-nano",
        teacher_weight=0.25,
        match=MatchConfig(assignment="atss"),
        loss=LossConfig(classification="quality_focal", box_weight=2.0),
        augment=replace(AUGMENT, mosaic=0.5, copy_paste=0.5, face_size_crop=0.2, scale_crop=0.2),
        image_cache_mb=1,
    )
    assert run_training(config, tmp_path / "taught", Silent()).finished
    for row in read_metrics(tmp_path / "taught" / "metrics.jsonl"):
        if "loss" in row:
            shots = row["classification_loss"] + 2 * row["box_loss"] + row["first_shot_loss"]
            assert row["loss"] == pytest.approx(shots + 0.25 * row["teacher_loss"], rel=1e-5)
            assert row["teacher_loss"] > 0


def test_a_file_in_the_place_of_the_folder_of_images_is_named(train: TrainConfig) -> None:
    config = replace(train, image_cache_folder=__file__)
    with pytest.raises(ConfigError, match=r"image_cache_folder: .*test_train.* is a file"):
        run_training(config, Path("unused"), Silent())


def test_levels_without_a_cell_are_named(train: TrainConfig, tmp_path: Path) -> None:
    whole = tiny_genotype("autofem-cpm")
    cells = {name: whole.cells[name] for name in ("cpm_c3", "cpm_c4", "cpm_c5")}
    save_genotype(replace(whole, cells=cells), tmp_path / "fewer.yaml")
    fewer = replace(train, genotype=str(tmp_path / "fewer.yaml"))
    levels = replace(train.detector, levels=(3, 4, 5))
    for config, notes in (
        (train, []),
        (replace(fewer, detector=levels), []),
        (fewer, ["levels 2, 6, 7 of the detector have no cell in genotype tiny; "
                 "--detector.levels sets those of the detector"]),
    ):  # fmt: skip
        shown = Notes()
        load_train_inputs(config, progress=shown)
        assert shown.notes == notes


def test_a_batch_without_a_finite_loss_is_left_out(
    train: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DetectionLoss, "__call__", nan_at(2))
    progress = Notes()
    out = tmp_path / "train"
    assert run_training(train, out, progress).finished
    assert "step 3 left out: loss not finite (1 so far)" in progress.notes
    rows = [row for row in read_metrics(out / "metrics.jsonl") if "lr" in row]
    assert [row["loss"] is None for row in rows] == [False, False, True, False]
    assert "NaN" not in (out / "metrics.jsonl").read_text()
    assert json.loads((out / "summary.json").read_text())["skipped_steps"] == 1
    for key, tensor in load_file(out / "last.safetensors").items():
        assert tensor.isfinite().all(), key


def test_what_fails_before_the_first_step_leaves_nothing(
    train: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the same command can be given again."""

    def fails(*_: object) -> None:
        raise ConfigError("a loss of one's own does not work")

    out = tmp_path / "train"
    monkeypatch.setattr(DetectionLoss, "__call__", fails)
    with pytest.raises(ConfigError, match="does not work"):
        run_training(replace(train, log=("csv",)), out, Silent())
    assert not out.exists()
    monkeypatch.undo()
    assert run_training(train, out, Silent()).finished


def test_what_fails_later_leaves_what_was_measured(
    train: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = DetectionLoss.__call__, iter(range(10))

    def fails(self: DetectionLoss, *arguments: object) -> object:
        if next(calls) == 1:
            raise ConfigError("does not work any more")
        return whole(self, *arguments)  # type: ignore[arg-type]  # as they come

    out = tmp_path / "train"
    monkeypatch.setattr(DetectionLoss, "__call__", fails)
    with pytest.raises(ConfigError, match="any more"):
        run_training(train, out, Silent())
    assert [row["step"] for row in read_metrics(out / "metrics.jsonl")] == [1]
    monkeypatch.undo()
    assert run_training(train, out, Silent(), resume=True).finished


def test_too_many_batches_without_a_finite_loss_end_the_run(
    train: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DetectionLoss, "__call__", nan_at(*range(2, 40)))
    with pytest.raises(NasfaceError, match="loss not finite in 11 steps in a row, up to step 13"):
        run_training(replace(train, epochs=20), tmp_path / "train", Silent())
    assert load_checkpoint(tmp_path / "train" / "checkpoint.pt", "training")["step"] == 12


def test_bfloat16_starts_from_nearly_the_same_loss(train: TrainConfig, tmp_path: Path) -> None:
    losses, kinds = {}, set()
    for precision in ("float32", "bf16"):
        config = replace(train, precision=precision, epochs=1)
        assert run_training(config, tmp_path / precision, Silent()).finished
        losses[precision] = read_metrics(tmp_path / precision / "metrics.jsonl")[0]["loss"]
        weights = load_file(tmp_path / precision / "last.safetensors")
        kinds |= {tensor.dtype for tensor in weights.values()}
    assert losses["bf16"] != losses["float32"]
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.05)
    assert kinds == {torch.float32, torch.int64}


def test_bfloat16_goes_on_bit_by_bit(train: TrainConfig, tmp_path: Path) -> None:
    config = replace(train, precision="bf16", evaluate_every=2)
    assert run_training(config, tmp_path / "whole", Silent()).finished
    assert not run_training(config, tmp_path / "parts", StopAfter(2)).finished
    assert run_training(config, tmp_path / "parts", Silent(), resume=True).finished
    whole, parts = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    one, other = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(one[key], other[key]) for key in one.keys() | other.keys())


def test_a_backbone_that_starts_from_a_file_and_stays(train: TrainConfig, tmp_path: Path) -> None:
    torch.manual_seed(9)
    given = BACKBONES[DETECTOR.backbone]().state_dict()
    torch.save(given, tmp_path / "b.pth")
    config = replace(
        train,
        backbone_weights=str(tmp_path / "b.pth"),
        freeze_stages=5,
        freeze_norms=True,
        epochs=1,
        ema_decay=0.0,
    )
    assert run_training(config, tmp_path / "run", Silent()).finished
    with safe_open(tmp_path / "run" / "last.safetensors", "pt") as file:
        for key, value in given.items():
            assert torch.equal(file.get_tensor(f"trunk.backbone.{key}"), value), key


def test_a_training_goes_on_from_the_weights_of_another(
    train: TrainConfig, trained: Path, tmp_path: Path
) -> None:
    start = trained / "last.safetensors"
    config = replace(train, start_weights=str(start), augment=replace(AUGMENT, size=96))
    training = make_job(config)
    with safe_open(start, "pt") as file:
        for key, value in training.model.state_dict().items():
            assert torch.equal(file.get_tensor(key), value), key
    wider = replace(config, detector=replace(DETECTOR, head_layers=DETECTOR.head_layers + 1))
    with pytest.raises(NasfaceError, match="is of a detector with other settings"):
        make_job(wider)
    with pytest.raises(NasfaceError, match="is of another genotype"):
        make_job(replace(config, genotype="asfd-ref"))

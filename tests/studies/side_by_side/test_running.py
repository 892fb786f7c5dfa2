"""A comparison of models from its plan to its rows: whole, stopped, resumed, refused."""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from torch import Tensor

from nasface.arch.io import load_genotype, save_genotype
from nasface.deploy.alternating import Run
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ConfigError, MissingPackageError, RunError
from nasface.models import weights_path
from nasface.progress import Silent
from nasface.studies.side_by_side import measuring, running
from nasface.studies.side_by_side.building import ModelSize
from nasface.studies.side_by_side.engines import (
    MODEL_ENGINES,
    ModelEngine,
    register_model_engine,
)
from nasface.studies.side_by_side.estimate import estimate_models
from nasface.studies.side_by_side.plan import ComparedModel, ModelsPlan, ReportedFigures
from nasface.studies.side_by_side.running import ModelsOutcome, compare_models

PASSES_OF_FIRST_GROUP, PASSES_ALONE, PASSES = 8, 4, 12


@dataclass
class IdleEngine:
    """Computes nothing and notes what runs; ``on_pass`` is told the number of each pass, from 1."""

    passes: list[str] = field(default_factory=list)
    prepared: int = 0
    on_pass: Callable[[int], object] = lambda _number: None

    def prepare(self, loaded: LoadedDetector, image: Tensor) -> Run:
        """See :data:`PrepareModel`."""
        self.prepared += 1
        name = f"{loaded.config.backbone} {tuple(image.shape)}"

        def step() -> None:
            self.passes.append(name)
            self.on_pass(len(self.passes))

        return step


@pytest.fixture
def idle() -> Iterator[IdleEngine]:
    """The engine ``idle``."""
    engine = IdleEngine()
    register_model_engine("idle", ModelEngine(engine.prepare))
    yield engine
    MODEL_ENGINES.remove("idle")


SIZE = ModelSize(parameters=10, macs=20, activations_mb=1.0)


@pytest.fixture
def plan(idle: IdleEngine, monkeypatch: pytest.MonkeyPatch) -> ModelsPlan:
    """A pair, one alone, one that is only counted."""
    assert idle.passes == []
    monkeypatch.setattr(running, "size_of", lambda *_: SIZE)
    return ModelsPlan(
        name="p",
        models=(
            ComparedModel(
                name="a",
                model="retinaface-mobilenet0.25",
                reported=ReportedFigures(milliseconds=3, ap=0.7),
            ),
            ComparedModel(name="b", model="asfd-nano", beside="a"),
            ComparedModel(name="c", model="extd-32"),
            ComparedModel(name="d", model="asfd-nano", timed=False),
        ),
        size="160x128",
        rounds=2,
        engines=("idle",),
    )


def test_every_group_is_measured_and_reported(
    plan: ModelsPlan, idle: IdleEngine, tmp_path: Path
) -> None:
    told: list[ModelsOutcome] = []
    outcome = compare_models(plan, tmp_path / "out", Silent(), told.append)
    assert [row["name"] for row in outcome.rows] == ["a", "b", "c", "d"]
    assert [row["idle_ms"] is not None for row in outcome.rows] == [True, True, True, False]
    assert [row["idle_ratio"] is not None for row in outcome.rows] == [False, True, False, False]
    assert (outcome.stopped, outcome.skipped, len(outcome.environments)) == (False, {}, 2)
    timed = [sum(row["idle_ms"] is not None for row in each.rows) for each in told]
    assert timed == [0, 2, 3]
    assert len(idle.passes) == PASSES
    assert {each.split(" ", 1)[1] for each in idle.passes} == {"(1, 3, 128, 160)"}
    assert compare_models(plan, tmp_path / "out", Silent()).rows == outcome.rows
    assert len(idle.passes) == PASSES


def test_what_a_stop_leaves_is_gone_on_with(
    plan: ModelsPlan, idle: IdleEngine, tmp_path: Path
) -> None:
    def interrupt(number: int) -> None:
        if number == PASSES_OF_FIRST_GROUP + 2:
            signal.raise_signal(signal.SIGINT)

    idle.on_pass = interrupt
    stopped = compare_models(plan, tmp_path / "out", Silent())
    assert stopped.stopped
    assert [row["idle_ms"] is not None for row in stopped.rows] == [True, True, False, False]
    assert len(idle.passes) == PASSES_OF_FIRST_GROUP + 2
    outcome = compare_models(plan, tmp_path / "out", Silent())
    assert outcome.rows[:2] == stopped.rows[:2]
    assert outcome.rows[2]["idle_ms"] is not None
    assert len(idle.passes) == PASSES_OF_FIRST_GROUP + 2 + PASSES_ALONE


def test_what_did_not_fit_is_said_and_tried_again(
    plan: ModelsPlan, idle: IdleEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "available_mb", lambda _device: 1.0)
    outcome = compare_models(plan, tmp_path / "out", Silent())
    assert set(outcome.skipped) == {("a", "idle"), ("b", "idle"), ("c", "idle")}
    assert idle.prepared == 0
    monkeypatch.setattr(measuring, "available_mb", lambda _device: 1e6)
    assert compare_models(plan, tmp_path / "out", Silent()).skipped == {}


def test_a_folder_of_other_settings_is_refused(
    plan: ModelsPlan, idle: IdleEngine, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    compare_models(plan, out, Silent())
    with pytest.raises(
        RunError, match=r"a-idle\.json: was measured with other models, files or settings"
    ):
        compare_models(replace(plan, rounds=3), out, Silent())
    # What is reported of a model has nothing to do with how long it takes.
    other = replace(plan.models[0], reported=ReportedFigures(ap=0.9))
    changed = replace(plan, models=(other, *plan.models[1:]))
    assert compare_models(changed, out, Silent()).rows[0]["reported_ap"] == 0.9
    path = out / "measured" / "a-idle.json"
    path.write_text(json.dumps({"seconds": {}}))
    with pytest.raises(RunError, match="is no measurement"):
        compare_models(plan, out, Silent())


def test_times_of_weights_or_of_a_genotype_that_changed_are_not_taken(
    plan: ModelsPlan, idle: IdleEngine, tmp_path: Path
) -> None:
    genotype, weights = tmp_path / "cells.yaml", tmp_path / "w.safetensors"
    save_genotype(load_genotype("asfd-ref"), genotype)
    weights.write_bytes(weights_path("asfd-nano").read_bytes())
    models = {
        "genotype": ComparedModel(name="a", model="d0", genotype=str(genotype)),
        "weights": ComparedModel(name="a", model=str(weights)),
    }
    for name, model in models.items():
        changed = replace(plan, models=(model,))
        rows = compare_models(changed, tmp_path / name, Silent()).rows
        assert compare_models(changed, tmp_path / name, Silent()).rows == rows
    assert len(idle.passes) == 2 * PASSES_ALONE
    save_genotype(replace(load_genotype("asfd-ref"), name="other"), genotype)
    weights.write_bytes(weights_path("asfd-small").read_bytes())
    for name, model in models.items():
        with pytest.raises(RunError, match="measured with other models, files or settings"):
            compare_models(replace(plan, models=(model,)), tmp_path / name, Silent())
    measured = tmp_path / "weights" / "measured" / "a-idle.json"
    former = json.loads(measured.read_text())
    del former["settings"]["models"][0]["digest"]  # as of before files were told apart
    measured.write_text(json.dumps(former))
    changed = replace(plan, models=(models["weights"],))
    assert compare_models(changed, tmp_path / "weights", Silent()).rows


def test_other_folders_are_refused(plan: ModelsPlan, idle: IdleEngine, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(RunError, match="is not the folder of a comparison"):
        compare_models(plan, tmp_path / "full", Silent())
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "plan.yaml").write_text("name: p\nmethods: []\nseeds: [0]\n")
    with pytest.raises(RunError, match="comparison of methods"):
        compare_models(plan, tmp_path / "study", Silent())
    (tmp_path / "taken").mkdir()
    with FileLock(tmp_path / "taken" / ".lock"), pytest.raises(RunError, match="another call"):
        compare_models(plan, tmp_path / "taken", Silent())
    assert idle.passes == []


def test_an_engine_that_is_not_there(plan: ModelsPlan, idle: IdleEngine, tmp_path: Path) -> None:
    missing = ModelEngine(idle.prepare, needs=("no_such_package",), install="nasface[none]")
    register_model_engine("missing", missing)
    try:
        with pytest.raises(MissingPackageError, match=r"nasface\[none\]"):
            compare_models(replace(plan, engines=("missing",)), tmp_path / "out", Silent())
    finally:
        MODEL_ENGINES.remove("missing")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="finds no GPU"):
            compare_models(replace(plan, engines=("cuda",)), tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()


def test_an_estimate_names_every_timed_model(
    plan: ModelsPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {each.name: each for each in estimate_models(plan, Silent())}
    assert list(found) == ["a", "b", "c"]
    engine = MODEL_ENGINES["idle"]
    assert found["b"].needed_mb == SIZE.needed_mb(engine)
    assert all(each.seconds is not None and each.seconds > 0 for each in found.values())
    monkeypatch.setattr("nasface.studies.side_by_side.estimate.free_memory_mb", lambda: 1.0)
    assert [each.seconds for each in estimate_models(plan, Silent())] == [None] * 3

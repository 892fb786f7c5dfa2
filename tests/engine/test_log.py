"""What loggers are told of a training and of a search."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from registries import restored
from tiny import AUGMENT, DETECTOR, OPTIMIZER, Notes, StopAfter, write_tiny

import nasface
from nasface.engine.log import flat_parameters
from nasface.engine.search import SearchConfig, run_search
from nasface.engine.train import TrainConfig, run_training
from nasface.errors import ConfigError
from nasface.progress import Silent
from nasface.runs.folder import read_metrics
from nasface.runs.logger import LoggedRun, Status

Told = list[tuple[str, Any]]


class Recorder:
    """Adds what it is told to a list."""

    def __init__(self, told: Told) -> None:
        self.told = told

    def start(self, run: LoggedRun) -> None:
        self.told.append(("start", run))

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.told.append(("metrics", {"step": step, **values}))

    def image(self, name: str, picture: Any) -> None:
        self.told.append(("image", (name, picture.shape[2], str(picture.dtype))))

    def artefact(self, path: Path) -> None:
        assert path.is_file()
        self.told.append(("artefact", path.name))

    def end(self, status: Status) -> None:
        self.told.append(("end", status))


@pytest.fixture
def told() -> Iterator[Told]:
    """What loggers named ``recorder`` are told."""
    found: Told = []
    with restored():
        nasface.register_logger("recorder", lambda: Recorder(found))
        yield found


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        "data": str(write_tiny(tmp_path_factory.mktemp("data"))),
        "epochs": 1,
        "batch_size": 2,
        "detector": DETECTOR,
        "augment": AUGMENT,
        "optimizer": OPTIMIZER,
    }


def of(call: str, told: Told) -> list[Any]:
    return [value for name, value in told if name == call]


def test_flat_parameters_joins_names() -> None:
    values = {"a": 1, "b": {"c": {"d": None}, "e": [1, 2]}, "f": [], "g": "x"}
    assert flat_parameters(values) == {"a": 1, "b.c.d": None, "b.e": "1,2", "f": "", "g": "x"}


def test_a_stopped_and_resumed_training_is_one_run(
    told: Told, common: dict[str, Any], tmp_path: Path
) -> None:
    config = TrainConfig(**common, genotype="asfd-ref", log=("recorder",))
    out = tmp_path / "mine"
    assert not run_training(config, out, StopAfter(2)).finished
    assert of("end", told) == ["stopped"]
    assert run_training(config, out, Silent(), resume=True).finished
    assert of("end", told) == ["stopped", "finished"]
    first, second = of("start", told)
    assert (first.name, first.kind, first.folder, first.step) == ("mine", "training", out, 0)
    assert (first.parameters["epochs"], first.parameters["optimizer.lr"]) == (1, OPTIMIZER.lr)
    assert second == replace(first, step=2)
    assert of("metrics", told) == read_metrics(out / "metrics.jsonl")
    assert of("image", told) == [("genotype", 3, "uint8")] * 2
    # Stopped before its first evaluation, it has no best weights yet.
    assert of("artefact", told) == [
        "last.safetensors", "best.safetensors", "last.safetensors", "summary.json",
    ]  # fmt: skip


def test_a_search_without_a_folder_is_logged(told: Told, common: dict[str, Any]) -> None:
    config = SearchConfig(**common, space="autofem-fpn", warmup_epochs=0, log=("recorder",))
    found = run_search(config, None, Silent())
    (run,) = of("start", told)
    assert (run.name, run.kind, run.folder) == ("search", "search", None)
    assert run.parameters["detector.channels"] == 8
    assert of("metrics", told) == found.rows
    assert told[-2:] == [("image", ("genotype", 3, "uint8")), ("end", "finished")]


def test_runs_have_ids_of_their_own(told: Told, common: dict[str, Any], tmp_path: Path) -> None:
    settings = {**common, "detector": replace(DETECTOR, neck="none")}
    config = TrainConfig(**settings, log=("recorder",))
    for name in ("one", "two"):
        run_training(config, tmp_path / name, StopAfter(1))
    first, second = of("start", told)
    assert first.id != second.id
    assert of("image", told) == []
    for run in (first, second):
        assert json.loads((run.folder / "environment.json").read_text())["id"] == run.id


def test_a_logger_that_needs_a_folder_says_so(common: dict[str, Any]) -> None:
    config = SearchConfig(**common, space="autofem-fpn", warmup_epochs=0, log=("csv",))
    with pytest.raises(ConfigError, match="log: csv writes into the run folder; expected out="):
        run_search(config, None, Silent())


def test_without_the_package_that_draws_the_run_says_so(
    told: Told, common: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nasface.drawing", "nasface.drawing.draw"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    config = SearchConfig(**common, space="autofem-fpn", warmup_epochs=0, log=("recorder",))
    notes = Notes()
    run_search(config, None, notes)
    assert of("image", told) == []
    assert of("end", told) == ["finished"]
    (note,) = [each for each in notes.notes if "genotype" in each]
    assert "the picture of the genotype is not logged: " in note
    assert "pip install 'nasface[plots]'" in note

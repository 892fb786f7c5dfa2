import csv
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nasface.errors import ConfigError
from nasface.runs.logger import LoggedRun
from nasface.runs.loggers.csv import CsvLogger


def started(folder: Path, step: int = 0) -> CsvLogger:
    logger = CsvLogger()
    parameters: dict[str, str | int | float | bool | None]
    parameters = {"epochs": 2, "optimizer.lr": 0.1, "space": "a,b"}
    logger.start(LoggedRun("id", "mine", "training", folder, parameters, step))
    return logger


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_columns_are_added_as_figures_appear(tmp_path: Path) -> None:
    logger = started(tmp_path)
    logger.metrics(1, {"loss": 0.1, "rate": 0.25})
    logger.metrics(1, {"ap": math.nan})
    logger.metrics(2, {"rate": 1e-20, "loss": 1 / 3})
    assert rows(tmp_path) == [
        {"step": "1", "loss": "0.1", "rate": "0.25", "ap": ""},
        {"step": "1", "loss": "", "rate": "", "ap": "nan"},
        {"step": "2", "loss": repr(1 / 3), "rate": "1e-20", "ap": ""},
    ]


def test_a_resumed_run_repeats_nothing(tmp_path: Path) -> None:
    logger = started(tmp_path)
    for step in (1, 2, 3):
        logger.metrics(step, {"loss": step})
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("4")  # as a killed run may leave it
    logger = started(tmp_path, step=2)
    logger.metrics(3, {"loss": 0.5})
    assert [(row["step"], row["loss"]) for row in rows(tmp_path)] == [
        ("1", "1"), ("2", "2"), ("3", "0.5"),
    ]  # fmt: skip


def test_parameters_and_pictures_are_files(tmp_path: Path) -> None:
    logger = started(tmp_path)
    picture = np.random.default_rng(0).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    logger.image("genotype", picture)
    logger.artefact(tmp_path / "metrics.csv")
    logger.end("finished")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "genotype.png")), picture)
    with (tmp_path / "parameters.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["name", "value"], ["epochs", "2"], ["optimizer.lr", "0.1"], ["space", "a,b"],
        ]  # fmt: skip


def test_it_needs_a_folder() -> None:
    with pytest.raises(ConfigError, match="log: csv writes into the run folder"):
        CsvLogger().start(LoggedRun("id", "mine", "training", None, {}))

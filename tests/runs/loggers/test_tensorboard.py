from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nasface.errors import ConfigError
from nasface.runs.logger import LoggedRun
from nasface.runs.loggers.tensorboard import TensorBoardLogger


def started(folder: Path, step: int = 0) -> TensorBoardLogger:
    logger = TensorBoardLogger()
    logger.start(LoggedRun("id", "mine", "search", folder, {"optimizer.lr": 0.1}, step))
    return logger


def events(folder: Path) -> Any:
    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return found


def test_figures_picture_and_parameters(tmp_path: Path) -> None:
    logger = started(tmp_path)
    for step in (1, 2):
        logger.metrics(step, {"loss": 0.5 / step, "rate": 0.25})
    logger.metrics(2, {"ap": 0.125})
    logger.image("genotype", np.zeros((5, 7, 3), np.uint8))
    logger.artefact(tmp_path / "best.safetensors")
    logger.end("finished")
    found = events(tmp_path)
    assert [(each.step, each.value) for each in found.Scalars("loss")] == [(1, 0.5), (2, 0.25)]
    assert [each.value for each in found.Scalars("ap")] == [0.125]
    (picture,) = found.Images("genotype")
    assert (picture.step, picture.height, picture.width) == (2, 5, 7)
    (text,) = found.Tensors("parameters/text_summary")
    assert "| optimizer.lr | 0.1 |" in text.tensor_proto.string_val[0].decode()


def test_a_resumed_run_continues_and_repeats_nothing(tmp_path: Path) -> None:
    first = started(tmp_path)
    for step in (1, 2, 3):
        first.metrics(step, {"loss": float(step)})
    first.end("failed")
    second = started(tmp_path, step=2)
    for step in (3, 4):
        second.metrics(step, {"loss": 10.0 * step})
    second.end("finished")
    found = events(tmp_path)
    assert [(each.step, each.value) for each in found.Scalars("loss")] == [
        (1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0),
    ]  # fmt: skip
    assert len(found.Tensors("parameters/text_summary")) == 1


def test_it_needs_a_folder() -> None:
    with pytest.raises(ConfigError, match="log: tensorboard writes into the run folder"):
        TensorBoardLogger().start(LoggedRun("id", "mine", "search", None, {}))

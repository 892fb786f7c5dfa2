"""Weights & Biases in its offline mode; what it wrote is read from its own files."""

import importlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasface.runs.logger import LoggedRun
from nasface.runs.loggers.wandb import WandbLogger

wandb = pytest.importorskip("wandb", reason="wandb is not installed: pip install 'nasface[wandb]'")
# The package and those that it imports warn of each other.
pytestmark = pytest.mark.filterwarnings("ignore")


def log_entries(data: bytes) -> Iterator[bytes]:
    """The entries of a log in the form of LevelDB, behind wandb's header of 7 bytes: blocks of 32
    KiB, each piece behind its checksum (4 bytes), length (2) and kind (1)."""
    at, entry = 7, b""
    while at + 7 <= len(data):
        if 2**15 - at % 2**15 < 7:  # too little room for another piece
            at += 2**15 - at % 2**15
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        entry += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield entry
            entry = b""


def records(folder: Path) -> list[Any]:
    """All records of the offline runs in a folder, oldest first."""
    record = importlib.import_module("wandb.proto.wandb_internal_pb2").Record
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    return [record.FromString(entry) for file in files for entry in log_entries(file.read_bytes())]


def values(items: Any) -> dict[str, Any]:
    """Values by name, nested names joined by dots."""
    return {".".join(each.nested_key) or each.key: json.loads(each.value_json) for each in items}


def test_a_run_and_its_continuation_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    artefact = tmp_path / "genotype.yaml"
    artefact.write_text("name: mine\n")
    parameters = {"epochs": 2, "optimizer.lr": 0.1}
    for done in (0, 2):
        logger = WandbLogger()
        logger.start(LoggedRun("mine7", "mine", "search", tmp_path, parameters, done))
        for step in (done + 1, done + 2, done + 3):
            logger.metrics(step, {"loss": step / 8})
        logger.image("genotype", np.zeros((5, 7, 3), np.uint8))
        logger.artefact(artefact)
        logger.end("finished" if done else "stopped")
    wandb.teardown()  # its process writes on after the end of a run
    found = records(tmp_path)
    assert {each.run.run_id for each in found if each.HasField("run")} == {"mine7"}
    config: dict[str, Any] = {}
    for each in found:
        if each.HasField("run"):
            config |= values(each.run.config.update)
    assert (config["epochs"], config["optimizer.lr"]) == (2, 0.1)
    rows = [values(each.history.item) for each in found if each.HasField("history")]
    figures = [(row["_step"], row["loss"]) for row in rows if "loss" in row]
    assert figures == [(step, step / 8) for step in (1, 2, 3, 3, 4, 5)]
    pictures = [row["genotype.height"] for row in rows if "genotype.height" in row]
    assert pictures == [5, 5]
    kept = list(tmp_path.glob("wandb/offline-run-*/files/genotype.yaml"))
    assert [each.read_text() for each in kept] == ["name: mine\n"] * len(kept)
    assert kept
    assert [each.exit.exit_code for each in found if each.HasField("exit")] == [1, 0]

"""Reading run folders: what a search, training or evaluation has left in one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

import pandas as pd

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype
from nasface.detection.checkpoint import read_checkpoint
from nasface.detection.config import DetectorConfig
from nasface.detection.necks.registry import uses_genotype
from nasface.engine.arch_history import ArchHistory
from nasface.engine.derive import load_history
from nasface.engine.detect import FOUND
from nasface.engine.search import SearchConfig
from nasface.engine.train import TrainConfig
from nasface.errors import RunError
from nasface.io.settings import load_config, read_config
from nasface.io.yaml import parse_dataclass
from nasface.metrics.protocol import Curves, TableRow
from nasface.models import weights_path
from nasface.nas.coverage import Decision
from nasface.runs.arch_history import HISTORY
from nasface.runs.environment import ENVIRONMENT
from nasface.runs.folder import SUMMARY_FILE, Kind, read_metrics
from nasface.runs.results import CURVES, FIGURES, read_result_curves

_TELLING: dict[Kind, set[str]] = {
    "search": {"space"},
    "training": {"evaluate_every"},
    "evaluation": {"data", "weights"},
    "detection": {"weights", "frames"},
}
"""Kind -> settings that only runs of it have; tells that of a run folder that does not name it."""

_FAR = 1e300
"""Greater numbers are none of a run; whole ones may have too many digits for a float."""

_FORMER_PROTOCOLS = {"ground_truth": "widerface", "truth": "widerface", "ellipses": "fddb"}
"""A setting of version 0.1, which did not name the protocol -> the protocol."""


@dataclass(frozen=True)
class RunRecord:
    """The contents of a run folder; ``name`` is its label in a report.

    Figures that a run has not got to yet are missing: ``summary`` and ``evaluation`` are empty.
    """

    path: Path
    name: str
    kind: Kind
    settings: dict[str, Any]

    @cached_property
    def environment(self) -> dict[str, str]:
        """Command and hardware; empty for runs of versions that did not note them."""
        return self._map(ENVIRONMENT)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The figures of a finished search or training."""
        return self._map(SUMMARY_FILE)

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        """The figures of an evaluation."""
        return self._map(FIGURES)

    @property
    def protocol(self) -> str:
        """The name of the protocol of an evaluation; a training evaluates by AP."""
        former = (name for key, name in _FORMER_PROTOCOLS.items() if key in self.settings)
        return str(self.settings.get("protocol") or next(former, "ap"))

    @cached_property
    def table(self) -> list[TableRow]:
        """The rows of an evaluation, or of the last one of a training; empty where there is none.

        Raises:
            RunError: if they are of another form.
        """
        rows = (self.evaluation or self.summary).get("table", [])
        if not isinstance(rows, list):
            raise RunError(f"{self.path}: its figures hold no table")
        place = f"{self.path}: table of its figures"
        return [parse_dataclass(TableRow, row, place, RunError) for row in rows]

    @cached_property
    def decisions(self) -> list[Decision]:
        """A row per choice of a search.

        Raises:
            RunError: if they are of another form.
        """
        file = self.path / "decisions.json"
        rows = self._rows(file.name)
        return [parse_dataclass(Decision, row, str(file), RunError) for row in rows]

    def figure(self, key: str) -> float | None:
        """Return a figure of a finished search or training; None where it has none.

        Raises:
            RunError: if it is no number.
        """
        value = self.summary.get(key)
        if value is None:
            return None
        if not _is_number(value):
            file = self.path / SUMMARY_FILE
            raise RunError(f"{file}: {key} is {value!a:.60}, expected a number")
        return float(value)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """What was measured on the way, a row per line."""
        found = pd.DataFrame(read_metrics(self.path / "metrics.jsonl"))
        # Runs before version 0.2 logged the learning rate under another name.
        return found if "lr" in found else found.rename(columns={"rate": "lr"})

    @cached_property
    def found(self) -> list[dict[str, Any]]:
        """A row per image of a detection: ``image``, ``boxes`` and ``scores``."""
        rows = self._rows(FOUND)
        if not all(map(_is_found, rows)):
            raise RunError(
                f"{self.path / FOUND}: expected rows of an image, boxes x1 y1 x2 y2 and scores"
            )
        return rows

    @cached_property
    def curves(self) -> Curves | None:
        """The curves of an evaluation."""
        return read_result_curves(self.path) if (self.path / CURVES).is_file() else None

    @cached_property
    def history(self) -> ArchHistory | None:
        """How the choices of a search moved."""
        return load_history(self.path) if (self.path / HISTORY).is_file() else None

    @cached_property
    def detector(self) -> tuple[DetectorConfig, Genotype | None] | None:
        """Settings and genotype of the detector, which has none where its neck is hand-made; of
        an evaluation or a detection, if its weights are still in place."""
        file = self.path / "genotype.yaml"
        if self.kind in ("search", "training"):
            kind = SearchConfig if self.kind == "search" else TrainConfig
            config = load_config(kind, self.path / "config.yaml").detector
            if uses_genotype(config.neck) and not file.is_file():
                return None
            return config, load_genotype(file) if file.is_file() else None
        name = self.settings.get("weights")
        weights = weights_path(name) if name else Path()
        if not weights.is_file() or weights.suffix != ".safetensors":
            return None
        loaded = read_checkpoint(weights)
        return loaded.config, loaded.genotype

    def _map(self, name: str) -> dict[str, Any]:
        found = _read_json(self.path / name, {})
        if not isinstance(found, dict):
            raise RunError(f"{self.path / name}: holds no map of figures")
        return found

    def _rows(self, name: str) -> list[dict[str, Any]]:
        found = _read_json(self.path / name, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise RunError(f"{self.path / name}: holds no list of maps")
        return found


def read_run(path: Path, name: str) -> RunRecord:
    """Return the record of a run folder.

    Raises:
        RunError: if it is none.
    """
    file = path / "config.yaml"
    if not file.is_file():
        raise RunError(
            f"{path}: is no run folder (no config.yaml there); expected one of nasface search, "
            "train, evaluate or detect"
        )
    settings = read_config(file)
    kind = _kind(path, settings)
    if not isinstance(settings, dict) or kind is None:
        raise RunError(f"{file}: is not of a search, a training, an evaluation or a detection")
    return RunRecord(path, name, kind, settings)


def _is_found(row: Mapping[str, Any]) -> bool:
    """Return whether a row has the name of an image, boxes of four numbers, and a score for
    each."""
    boxes, scores = row.get("boxes"), row.get("scores")
    if not (isinstance(boxes, list) and isinstance(scores, list) and len(boxes) == len(scores)):
        return False
    sides = (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box)) for box in boxes)
    return isinstance(row.get("image"), str) and all(map(_is_number, scores)) and all(sides)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _FAR


def _kind(path: Path, settings: Any) -> Kind | None:
    """Return the kind that the run folder records; for an older one, as its settings suggest."""
    environment = _read_json(path / ENVIRONMENT, {})
    named = environment.get("kind") if isinstance(environment, dict) else None
    if named in get_args(Kind):
        return cast(Kind, named)
    keys = set(settings or {})
    return next((kind for kind, telling in _TELLING.items() if telling <= keys), None)


def _read_json(file: Path, empty: Any) -> Any:
    if not file.is_file():
        return empty
    try:
        return json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise RunError(f"{file}: is not JSON: {problem}") from None

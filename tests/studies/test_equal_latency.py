"""Limits that are measured when a comparison begins."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nasface.deploy.latency import detector_latency
from nasface.detection.latency import load_latency_table
from nasface.errors import ConfigError, RunError
from nasface.io.yaml import parse_dataclass
from nasface.progress import Silent
from nasface.studies import equal_latency
from nasface.studies.equal_latency import with_measured_limit
from nasface.studies.limits import LatencyLimit
from nasface.studies.spec import StudySpec
from nasface.studies.study_run import runs_of

DETECTOR = {"backbone": "mobilenet_v1_0.25", "levels": [3, 4, 5], "channels": 8, "head_layers": 1}
PLAN: dict[str, Any] = {
    "name": "p",
    "seeds": [0],
    "equal_latency": {"row": "fpn", "within": 0.1},
    "search": {"space": "autofem2", "parameters": {"levels": "3-5"}, "detector": DETECTOR},
    "train": {"detector": DETECTOR},
    "methods": [
        {"name": "fpn", "strategy": "fixed", "train": {"detector": {"neck": "fpn"}}},
        {"name": "random", "strategy": "random"},
    ],
}


def plan(**changes: Any) -> StudySpec:
    return parse_dataclass(StudySpec, PLAN | changes, "plan", ConfigError)


def test_the_limit_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equal_latency, "_ROUNDS", 1)
    monkeypatch.setattr(equal_latency, "_EXAMPLES", 1)
    threads = torch.get_num_threads()
    monkeypatch.setattr(equal_latency, "detector_latency", lambda *_, **__: 40.0)
    made = with_measured_limit(plan(), tmp_path / "out", Silent())
    assert torch.get_num_threads() == threads
    assert made.equal_latency is None
    assert made.limit is not None
    assert (made.limit.milliseconds, made.limit.at_least) == pytest.approx((44, 36))
    random = next(run for run in runs_of(made) if run.label == "random")
    assert random.limit == made.limit
    load_latency_table(Path(made.limit.table)).check_made_for(random.train.detector, (640, 480))
    # What the folder holds is not measured again, and is the same plan.
    monkeypatch.setattr(equal_latency, "measure_latency", None)
    assert with_measured_limit(plan(), tmp_path / "out", Silent()) == made
    assert with_measured_limit(made, tmp_path / "elsewhere", Silent()) is made


def test_the_row_is_measured() -> None:
    row = next(run for run in runs_of(plan()) if run.label == "fpn").train
    found = detector_latency(row.detector, None, engine="torch", rounds=1)
    assert 0 < found < 10_000


def test_searches_of_several_spaces_are_refused(tmp_path: Path) -> None:
    other = {"name": "other", "strategy": "random", "search": {"parameters": {"nodes": 6}}}
    with pytest.raises(ConfigError, match="search one space in one detector"):
        with_measured_limit(plan(methods=[*PLAN["methods"], other]), tmp_path, Silent())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_measured_for_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(RunError, match="is not the folder of a comparison"):
        with_measured_limit(plan(), tmp_path, Silent())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"equal_latency": {"row": "random"}}, r"row 'random', expected .* fixed \(fpn\)"),
        ({"limit": {"table": "t.yaml", "milliseconds": 3.0}}, "no limit beside it"),
        ({"equal_latency": {"row": "fpn", "within": 1.5}}, r"within 1\.5"),
    ],
)
def test_what_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(**changes)


def test_a_plan_without_it_is_left_as_it_is(tmp_path: Path) -> None:
    made = replace(plan(), equal_latency=None, limit=LatencyLimit(table="t.yaml", milliseconds=3.0))
    assert with_measured_limit(made, tmp_path, Silent()) is made

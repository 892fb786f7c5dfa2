"""Run folders read back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nasface.engine.detect import DetectConfig
from nasface.engine.search import SearchConfig
from nasface.engine.train import TrainConfig
from nasface.errors import RunError
from nasface.io.yaml import to_yaml
from nasface.reports.reader import read_run
from nasface.runs.folder import RunFolder, read_summary


def test_kind_is_what_the_folder_says(tmp_path: Path) -> None:
    """Settings with words of two kinds would mislead a guess."""
    (tmp_path / "config.yaml").write_text(to_yaml(SearchConfig()))
    (tmp_path / "environment.json").write_text(json.dumps({"kind": "training"}))
    assert read_run(tmp_path, "run").kind == "training"


def test_run_folder_names_its_kind(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").create(SearchConfig(), "search")
    run = read_run(tmp_path / "run", "run")
    assert (run.kind, run.environment["kind"]) == ("search", "search")


@pytest.mark.parametrize("environment", [None, "{}", '{"kind": "elsewhere"}', "[]"])
def test_kind_of_an_older_folder_is_told_by_its_settings(
    environment: str | None, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(to_yaml(TrainConfig()))
    if environment is not None:
        (tmp_path / "environment.json").write_text(environment)
    assert read_run(tmp_path, "run").kind == "training"


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("colour: red\n")
    with pytest.raises(
        RunError, match="is not of a search, a training, an evaluation or a detection"
    ):
        read_run(tmp_path, "run")


@pytest.mark.parametrize("text", ["[1]", "3", '"x"', "[" * 100_000, "\ufffd", "{", "null"])
def test_files_that_hold_something_else(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(to_yaml(DetectConfig()))
    for name in ("summary.json", "evaluation.json", "detections.json", "decisions.json"):
        (tmp_path / name).write_text(text)
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": 1}}\n{text}\n{{"step": 2}}\n')
    run = read_run(tmp_path, "run")
    reads: list[Callable[[], object]] = [
        lambda: run.summary,
        lambda: run.evaluation,
        lambda: run.found,
        lambda: run.decisions,
    ]
    for read in reads:
        with pytest.raises(RunError, match=r"\.json: (is not JSON|holds no (map|list) of)"):
            read()
    assert run.metrics.to_dict("list") == {"step": [1]}
    with pytest.raises(RunError, match=r"summary\.json: no figures there"):
        read_summary(tmp_path)


@pytest.mark.parametrize(
    "row",
    [
        {"image": "a.jpg", "boxes": [[1, 2, 3, 4]]},
        {"image": "a.jpg", "scores": []},
        {"image": 3, "boxes": [], "scores": []},
        {"image": "a.jpg", "boxes": [[1, 2, 3]], "scores": [0.5]},
        {"image": "a.jpg", "boxes": [[1, 2, 3, "4"]], "scores": [0.5]},
        {"image": "a.jpg", "boxes": [[1, 2, 3, 4]], "scores": [None]},
        {"image": "a.jpg", "boxes": [[1, 2, 3, 4]], "scores": []},
        {"image": "a.jpg", "boxes": 3, "scores": 3},
    ],
)
def test_rows_of_a_detection_are_of_one_form(tmp_path: Path, row: dict[str, Any]) -> None:
    (tmp_path / "config.yaml").write_text(to_yaml(DetectConfig()))
    whole = {"image": "b.jpg", "boxes": [[1, 2, 3, 4.5]], "scores": [0.5]}
    for rows, is_fine in (([whole], True), ([whole, row], False)):
        (tmp_path / "detections.json").write_text(json.dumps(rows))
        run = read_run(tmp_path, "run")
        if is_fine:
            assert run.found == rows
        else:
            with pytest.raises(RunError, match=r"detections\.json: expected rows of an image"):
                _ = run.found


def test_figures_of_another_kind_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(to_yaml(TrainConfig()))
    figures = {
        "best_ap": "high",
        "seconds": 3,
        "table": [{"group": "", "name": "ap", "faces": "1"}],
    }
    (tmp_path / "summary.json").write_text(json.dumps(figures))
    choice = {"cell": "c", "node": "n", "candidates": 3, "entropy": "0.5", "margin": 0, "most": 1}
    (tmp_path / "decisions.json").write_text(json.dumps([choice]))
    run = read_run(tmp_path, "run")
    assert (run.figure("seconds"), run.figure("unknown")) == (3, None)
    with pytest.raises(RunError, match=r"summary\.json: best_ap is 'high', expected a number"):
        run.figure("best_ap")
    with pytest.raises(RunError, match=r"table of its figures: faces"):
        _ = run.table
    with pytest.raises(RunError, match=r"decisions\.json: (entropy|least)"):
        _ = run.decisions

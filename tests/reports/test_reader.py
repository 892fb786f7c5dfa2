"""Run folders read back."""

import json
from pathlib import Path

import pytest

from nasface.engine.search import SearchConfig
from nasface.engine.train import TrainConfig
from nasface.errors import RunError
from nasface.io.yaml import to_yaml
from nasface.reports.reader import read_run
from nasface.runs.folder import RunFolder


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

"""``nasface compare`` with a plan of models, as typed."""

import json
from pathlib import Path

import pytest

from nasface.cli.main import main
from nasface.cli.plan_examples import MODELS_PLAN_EXAMPLE
from nasface.studies.side_by_side.plan import load_models_plan

Output = pytest.CaptureFixture[str]

PLAN = """\
name: two
size: 160x128
rounds: 1
engines: [torch]
models:
  - {name: retina, model: retinaface-mobilenet0.25, reported: {ap: 0.7}}
  - {name: nano, model: asfd-nano, beside: retina, reported: {ap: 0.8}}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def test_tables_figure_and_json(plan: Path, tmp_path: Path, capsys: Output) -> None:
    out = tmp_path / "out"
    assert main(["compare", str(plan), "--out", str(out)]) == 0
    assert "| nano | retina |" in capsys.readouterr().out
    files = ("models.csv", "plan.yaml", "summary.md", "summary.png")
    assert all((out / name).is_file() for name in files)
    assert main(["compare", str(plan), "--out", str(out), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["retina", "nano"]
    assert rows[1]["torch_ratio"] > 0


def test_an_estimate_writes_nothing(plan: Path, tmp_path: Path, capsys: Output) -> None:
    assert main(["compare", str(plan), "--estimate", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found["models"]] == ["retina", "nano"]
    assert main(["compare", str(plan), "--estimate"]) == 0
    assert "for torch" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["plan.yaml"]


@pytest.mark.parametrize(
    "words", ["--data d", "--workers 2", "--on slurm", "--job timeout_min 3", ""]
)
def test_options_without_meaning_are_refused(plan: Path, words: str, capsys: Output) -> None:
    assert main(["compare", str(plan), *words.split()]) == 2
    assert (words.split()[0] if words else "--out: is missing") in capsys.readouterr().err


def test_help_shows_a_plan_that_can_be_used(tmp_path: Path, capsys: Output) -> None:
    assert main(["compare", "--help"]) == 0
    assert MODELS_PLAN_EXAMPLE in capsys.readouterr().out
    (tmp_path / "plan.yaml").write_text(MODELS_PLAN_EXAMPLE)
    assert load_models_plan(tmp_path / "plan.yaml").groups()

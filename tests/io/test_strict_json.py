"""JSON that the package writes and prints: a strict parser reads it, every null has its reason."""

import ast
import json
import math
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from tiny import nan_at, write_lively_weights, write_tiny

import nasface
from nasface.annotations.widerface import read_wider_split, write_wider_annotations
from nasface.cli.main import main
from nasface.detection.losses import DetectionLoss
from nasface.io.strict_json import REASONS, to_json
from nasface.runs.folder import read_metrics

Output = pytest.CaptureFixture[str]
PACKAGE = Path(nasface.__file__).parent
SMALL = (
    "--batch-size 2 --detector.channels 8 --detector.head-layers 1 --detector.extra-channels 16 16 "
    "--augment.size 64 --device cpu"
)


def strict(text: str) -> Any:
    """The value of a text that is JSON by its standard, which has no NaN and no Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def explained(value: Any) -> None:
    """Every null has its reason in the map around it, by path."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict):
            reasons = each.get(REASONS, {})
            empty = set(paths_of_null({k: v for k, v in each.items() if k != REASONS}))
            assert empty == set(reasons)
            assert all(isinstance(reason, str) and reason for reason in reasons.values())


def paths_of_null(value: Any, path: str = "") -> list[str]:
    before = f"{path}." if path else ""
    if isinstance(value, dict):
        return [p for key, each in value.items() for p in paths_of_null(each, f"{before}{key}")]
    if isinstance(value, list):
        return [p for at, each in enumerate(value) for p in paths_of_null(each, f"{before}{at}")]
    return [path] if value is None else []


# The writer


values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner),
    max_leaves=12,
)


@given(values, st.sampled_from([None, 2]))
def test_any_value(value: Any, indent: int | None) -> None:
    read = strict(to_json(value, indent))
    for ours, theirs in zip(
        read if isinstance(value, list) else [read],
        value if isinstance(value, list) else [value],
        strict=True,
    ):
        same(ours, theirs)


def same(ours: Any, theirs: Any, top: bool = True) -> None:
    """Equal, but for null in the place of what JSON does not have."""
    if isinstance(theirs, float) and not math.isfinite(theirs):
        assert ours is None
    elif isinstance(theirs, dict):
        more = {REASONS} & set(ours) - set(theirs) if top else set()
        assert set(ours) - more == set(theirs)
        for key in set(theirs) - {REASONS}:
            same(ours[key], theirs[key], top=False)
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other, top=False)
    else:
        assert ours == theirs


def test_reasons_stand_beside_the_value() -> None:
    value = {
        "a": math.nan,
        "b": {"c": [1.5, math.inf]},
        "d": None,
        REASONS: {"d": "none", "a": "x"},
    }
    assert strict(to_json(value)) == {
        "a": None,
        "b": {"c": [1.5, None]},
        "d": None,
        REASONS: {"a": "x", "b.c.1": "infinite", "d": "none"},
    }
    rows = [{"a": -math.inf}, {"a": 1.0}, math.nan]
    assert strict(to_json(rows)) == [{"a": None, REASONS: {"a": "infinite"}}, {"a": 1.0}, None]
    assert to_json({"a": 1}, indent=None) == '{"a": 1}'
    assert strict(to_json(np.float64("nan"))) is None


def test_what_is_no_plain_value_is_an_error() -> None:
    with pytest.raises(TypeError):
        to_json({"a": {1, 2}})


NOT_WRITTEN = {"arch/space.py", "kinds.py", "io/yaml.py", "deploy/python_source/extract.py"}
"""Modules whose JSON goes to no file: a digest is made of it, it is parsed again at once, or it is
the code of a text."""


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_there_is_no_other_writer(path: Path) -> None:
    name = path.relative_to(PACKAGE).as_posix()
    if name in NOT_WRITTEN | {"io/strict_json.py"}:
        return
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"dump", "dumps"}
        if isinstance(node.value, ast.Name) and node.value.id == "json"
    ]
    assert calls == [], f"{name}: json is written by lines {calls}; expected to_json"


# The files


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and data without a valid face to validate by."""
    folder = tmp_path_factory.mktemp("json")
    write_tiny(folder / "data")
    write_tiny(folder / "blind")
    rows = np.array([[3, 3, 20, 20, 0, 0, 0, 1, 0, 0]])
    names = [record.name for record in read_wider_split(folder / "blind", "val")]
    annotations = folder / "blind" / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    annotations.unlink()
    write_wider_annotations(annotations, [(name, rows) for name in names])
    return folder


def run(words: str, output: Output) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    output.readouterr()
    code = main(shlex.split(words))
    captured = output.readouterr()
    return code, captured.out, captured.err


def test_training_without_a_valid_face_to_validate_by(
    place: Path, tmp_path: Path, capsys: Output
) -> None:
    words = f"train --data {place}/blind --neck none --epochs 1 {SMALL}"
    code, out, err = run(f"{words} --out {tmp_path}/shown", capsys)
    assert code == 0
    assert "no valid face on the 3 validation images" in err
    assert "no AP" in out
    named = [Path(word) for word in re.findall(r"\S+\.safetensors", out)]
    assert named == [tmp_path / "shown" / "last.safetensors"] * 2
    assert all(path.is_file() for path in named)
    assert not (tmp_path / "shown" / "best.safetensors").exists()
    code, out, _ = run(f"{words} --out {tmp_path}/json --json", capsys)
    figures = strict(out)
    explained(figures)
    assert (code, figures["best_ap"], figures["ap"]) == (0, None, None)
    assert figures[REASONS]["best_ap"] == "no face to find on the validation images"
    report = tmp_path / "report.html"
    code, out, _ = run(f"report {tmp_path}/shown {tmp_path}/json --out {report}", capsys)
    assert (code, "AP none" in report.read_text()) == (0, True)
    check_files(tmp_path, {"environment.json", "summary.json", "metrics.jsonl"})


def test_evaluating_without_a_valid_face(place: Path, tmp_path: Path, capsys: Output) -> None:
    words = f"train --data {place}/data --neck none --epochs 1 {SMALL} --out {tmp_path}/run"
    assert run(words, capsys)[0] == 0
    weights = tmp_path / "run" / "best.safetensors"
    words = f"evaluate --weights {weights} --data {place}/blind --out {tmp_path}/e"
    code, out, err = run(words, capsys)
    assert (code, out) == (2, "")
    assert "blind: no valid face on the 3 images of val; expected some" in err
    assert not (tmp_path / "e").exists()


def test_a_loss_that_is_none(
    place: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DetectionLoss, "__call__", nan_at(1))
    words = f"train --data {place}/data --neck none --epochs 1 {SMALL} --out {tmp_path}/run"
    assert run(words, capsys)[0] == 0
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    rows = [strict(line) for line in lines]
    assert [row["loss"] for row in rows if "loss" in row][1] is None
    assert rows[1][REASONS]["loss"] == "not a number"
    assert all(REASONS not in row for row in read_metrics(tmp_path / "run" / "metrics.jsonl"))
    check_files(tmp_path, {"environment.json", "summary.json", "metrics.jsonl"})


def test_every_other_file_and_output(place: Path, tmp_path: Path, capsys: Output) -> None:
    image = place / "data" / "WIDER_val" / "images" / "0--Squares" / "0.jpg"
    weights = f"{tmp_path}/train/best.safetensors"
    commands = [
        f"search --data {place}/data --space autofem-fpn --epochs 1 --warmup-epochs 0 {SMALL} "
        f"--out {tmp_path}/search --json",
        f"derive --run {tmp_path}/search --out {tmp_path}/d.yaml --json",
        f"train --data {place}/data --neck none --epochs 1 {SMALL} --out {tmp_path}/train --json",
        f"evaluate --weights {weights} --data {place}/data --out {tmp_path}/e --json",
        f"evaluate widerface --weights {weights} --data {place}/data --ground-truth text "
        f"--out {tmp_path}/w --json",
        f"evaluate widerface --detections {tmp_path}/w/detections --data {place}/data "
        "--ground-truth text --json",
        f"detect --weights {weights} --out {tmp_path}/found {image} --json",
        "genotype show darts_v1 --json",
        "genotype diff darts_v1 darts_v2 --json",
        "cost d0 --json",
    ]
    for words in commands:
        code, out, err = run(words, capsys)
        assert code in (0, 1), err
        if not words.startswith("genotype"):  # where null is "none", such as no renaming
            explained(strict(out))
        strict(out)
    check_files(
        tmp_path,
        {
            "environment.json",
            "summary.json",
            "metrics.jsonl",
            "decisions.json",
            "evaluation.json",
            "detections.json",
            "coco.json",
        },
    )
    with safe_open(weights, "np") as file:
        explained(strict(file.metadata()["metrics"]))


@pytest.mark.slow
def test_the_files_and_outputs_of_the_other_verbs(
    place: Path, tmp_path: Path, capsys: Output
) -> None:
    """With tiny settings: data sets, protocols, comparisons and measurements."""
    pytest.importorskip("faster_coco_eval", reason="the extra coco is not installed")
    weights = write_lively_weights(tmp_path / "w.safetensors")
    image = place / "data" / "WIDER_val" / "images" / "0--Squares" / "0.jpg"
    folds = tmp_path / "fddb" / "FDDB-folds"
    folds.mkdir(parents=True)
    (folds / "FDDB-fold-01-ellipseList.txt").write_text("a\n1\n20 10 1.57 24 16 1\nb\n0\n")
    for name in ("a", "b"):
        (tmp_path / "fddb" / "originalPics").mkdir(exist_ok=True)
        shutil.copy(image, tmp_path / "fddb" / "originalPics" / f"{name}.jpg")
    plan = {
        "name": "p",
        "seeds": [0],
        "data": str(place / "data"),
        "train": {
            "epochs": 1,
            "batch_size": 2,
            "detector": {"channels": 8, "head_layers": 1, "extra_channels": [16, 16]},
            "augment": {"size": 64},
        },
        "methods": [
            {"name": name, "strategy": "fixed", "train": {"detector": {"neck": name}}}
            for name in ("fpn", "pan")
        ],
    }
    (tmp_path / "plan.yaml").write_text(json.dumps(plan))
    commands = [
        f"check-data {place}/data --out {tmp_path}/checked --json",
        f"check-data {place}/blind --json",
        f"convert {place}/data {tmp_path}/converted --to coco --json",
        f"sample {tmp_path}/sample --train 1 --val 1 --json",
        f"evaluate coco --weights {weights} --data {place}/data --out {tmp_path}/c --json",
        f"evaluate fddb --weights {weights} --data {tmp_path}/fddb --out {tmp_path}/f --json",
        f"compare {tmp_path}/plan.yaml --estimate --json",
        f"compare {tmp_path}/plan.yaml --out {tmp_path}/compared --json",
        "models --json",
    ]
    for words in commands:
        code, out, err = run(words, capsys)
        assert code in (0, 1), err
        strict(out)
    check_files(tmp_path, {"data.json", "evaluation.json", "coco_results.json", "result.json"})


ROWS = {"result.json"}
"""Rows of a table, where null stands in a column that does not apply."""


def check_files(folder: Path, names: set[str]) -> None:
    """All JSON files below a folder; ``names`` are among them."""
    files = [path for path in folder.rglob("*") if path.suffix in {".json", ".jsonl"}]
    assert {path.name for path in files} >= names
    for path in files:
        text = path.read_text("utf-8")
        for part in text.splitlines() if path.suffix == ".jsonl" else [text]:
            value = strict(part)
            if path.name not in ROWS:
                explained(value)

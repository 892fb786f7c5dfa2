import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skimage.data
from tiny import AUGMENT, DETECTOR, OPTIMIZER, SMALL_SEARCH, write_tiny

from nasface.cli.main import main
from nasface.data.images import write_image
from nasface.engine.search import SearchConfig
from nasface.engine.train import TrainConfig
from nasface.io.yaml import to_yaml
from nasface.reports.build import make_report
from nasface.reports.reader import read_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, and a search, a training and an evaluation of them."""
    place = tmp_path_factory.mktemp("report")
    data = write_tiny(place / "data", train=4, val=2)
    common: dict[str, Any] = {"data": str(data), "epochs": 1, "batch_size": 2, "detector": DETECTOR,
              "augment": AUGMENT, "optimizer": OPTIMIZER}  # fmt: skip
    search = SearchConfig(**{**common, **SMALL_SEARCH}, warmup_epochs=0)
    train = TrainConfig(**common, genotype="asfd-ref")
    for verb, config in (("search", search), ("train", train)):
        (place / f"{verb}.yaml").write_text(to_yaml(config))
        words = [verb, "--config", str(place / f"{verb}.yaml"), "--out", str(place / verb)]
        assert main(words) == 0
    weights = place / "train" / "best.safetensors"
    words = ["evaluate", "--weights", str(weights), "--data", str(data)]
    assert main([*words, "--out", str(place / "evaluation")]) == 0
    return place


def test_report_of_three_runs_is_written_side_by_side(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.html"
    folders = [str(runs / name) for name in ("search", "train", "evaluation")]
    assert main(["report", *folders, "--out", str(out), "--samples", "1"]) == 0
    assert str(out) in capsys.readouterr().out
    text = out.read_text()
    for words in ("Training loss", "Search: loss of weight steps", "How the choices moved",
                  "Choices (entropy: 1 is undecided)",
                  "Choices undecided: close to random; ", "Would help: ", "Cells of search",
                  "Cost at 640 x 480",
                  "Protocol ap, by height", "Worst", "Missed",
                  "processor", "nasface train --config"):  # fmt: skip
        assert words in text, words
    assert main(["report", *folders, "--out", str(out)]) == 2
    assert "exists; choose another --out, or --overwrite" in capsys.readouterr().err


def test_what_detect_found_is_reported(tmp_path: Path) -> None:
    images = [tmp_path / name for name in ("astronaut.png", "coffee.png")]
    for path, image in zip(images, (skimage.data.astronaut(), skimage.data.coffee()), strict=True):
        write_image(path, np.ascontiguousarray(image))
    words = ["detect", *map(str, images), "--out", str(tmp_path / "found")]
    assert main([*words, "--score-threshold", "0.1"]) == 0
    found = json.loads((tmp_path / "found" / "detections.json").read_text())
    faces = sum(len(row["scores"]) for row in found)
    assert faces
    out = tmp_path / "r.html"
    assert main(["report", str(tmp_path / "found"), "--out", str(out), "--samples", "2"]) == 0
    text = out.read_text()
    assert f">{faces} face" in text
    assert f" in {len(images)} images<" in text
    tables = {each.title: each for each in make_report([tmp_path / "found"]).runs[0].tables}
    for title in ("Faces by height in pixels", "Faces by score"):
        assert sum(int(row[1]) for row in tables[title].rows) == faces
    for words_ in ("Most faces", "Least certain", "nasface detect INPUT ... --config"):
        assert words_ in text
    (section,) = make_report([tmp_path / "found"], samples=0).runs
    assert not section.samples


def test_run_folder_notes_command_and_hardware(runs: Path) -> None:
    found = json.loads((runs / "train" / "environment.json").read_text())
    assert {"command", "started", "nasface", "torch", "processor", "cores"} <= set(found)
    assert read_run(runs / "train", "t").environment == found


def test_settings_stand_side_by_side_and_differences_are_marked(tmp_path: Path) -> None:
    folders = []
    for name, epochs in (("one", 5), ("two", 6)):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        config = TrainConfig(genotype="asfd-ref", epochs=epochs, detector=DETECTOR)
        (folders[-1] / "config.yaml").write_text(to_yaml(config))
    settings = make_report(folders).settings
    assert {settings.rows[at][0] for at in settings.marked} == {"epochs"}
    rows = {row[0]: list(row[1:]) for row in settings.rows}
    assert rows["epochs"] == ["5", "6"]
    assert rows["detector.channels"] == ["8", "8"]
    assert settings.columns == ("", "one", "two")


def write_figures(folder: Path, rows: list[tuple[str, str, int, float | None]]) -> None:
    keys = ("group", "name", "faces", "value")
    table = [dict(zip(keys, row, strict=True)) for row in rows]
    (folder / "evaluation.json").write_text(json.dumps({"protocol": "official", "table": table}))


def test_benchmarks_are_reported_from_their_files(tmp_path: Path) -> None:
    wider, fddb = tmp_path / "wider", tmp_path / "fddb"
    wider.mkdir()
    fddb.mkdir()
    (wider / "config.yaml").write_text(
        "ground_truth: text\ndata: gone\nweights: gone.safetensors\n"
    )
    (fddb / "config.yaml").write_text("ellipses: false\ndata: gone\nweights: ''\n")
    rows = [("", "easy", 2, 0.9), ("", "hard", 0, None), ("blur", "clear", 2, 0.25)]
    write_figures(wider, rows)
    write_figures(fddb, [("continuous", "1000 false positives", 5, 0.75)])
    curve = {"set": "easy", "score": [0.9, 0.8], "recall": [0.5, 1], "precision": [1, 1]}
    pd.DataFrame(curve).to_csv(wider / "curves.csv", index=False)
    points = np.linspace(0, 1, 3)
    pd.DataFrame(
        {"score": points, "false_positives": [0, 1, 2], "discontinuous": points,
         "continuous": points}
    ).to_csv(fddb / "curves.csv", index=False)  # fmt: skip
    report = make_report([wider, fddb])
    tables = {table.title: table.rows for table in report.figures}
    assert tables["Protocol widerface"] == [["easy", "0.900"], ["hard", ""]]
    assert tables["Protocol widerface, by blur"] == [["clear", "0.250"]]
    assert tables["Protocol fddb, by continuous"] == [["1000 false positives", "0.750"]]
    assert set(report.charts) == {
        "Precision over recall: easy",
        "True positive rate over false positives: discontinuous",
        "True positive rate over false positives: continuous",
    }
    assert "No sample detections" in " ".join(report.runs[0].notes)


def test_an_unfinished_run_is_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(to_yaml(TrainConfig(genotype="asfd-ref")))
    report = make_report([tmp_path])
    assert report.overview.rows[0][2] == "not finished"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nowhere", "is no run folder (no config.yaml there)"),
        (". --out report.pdf", "cannot write this type; expected .html"),
        (". --samples -1", "samples: -1, expected 0 or more"),
        ("", "runs: expected at least one run folder"),
    ],
)
def test_mistakes_are_named(
    words: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", *words.split()]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

"""A data format and a protocol from outside the package go through reading, training, evaluation,
plot and report as if they had always been there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from registries import restored
from tiny import write_lively_weights, write_tiny

import nasface
from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.records import AnnotatedDataset
from nasface.cli.main import main
from nasface.metrics.protocol import Curve, Curves, Source, TableRow, Truth, folder_of


def is_table(root: Path) -> bool:
    return (root / "faces.tsv").is_file()


def read_table(
    root: Path, split: str, *, classes: Sequence[str], need_images: bool
) -> list[nasface.ImageRecord]:
    """Lines of split, name, and x1 y1 x2 y2 of each face."""
    records = []
    for line in (root / "faces.tsv").read_text().splitlines():
        part, name, *numbers = line.split("\t")
        if part == split:
            boxes = np.array(numbers, np.float32).reshape(-1, 4)
            records.append(nasface.ImageRecord(name, root / name, boxes, {}))
    return records


@dataclass(frozen=True)
class Counted:
    """Faces and detections, over all images."""

    faces: int
    detections: int


@dataclass(frozen=True, kw_only=True)
class CountOptions:
    """Settings of the protocol below."""

    at_least: float = 0.0
    """Score from which detections count."""


def read_truth(source: Source, options: CountOptions) -> Truth:
    data = source
    if not isinstance(data, AnnotatedDataset):
        data = nasface.read_dataset(folder_of(source), "val")
    about = f"detections from {options.at_least} over faces"
    return Truth(tuple(data.names), data, data.faces, about)


def count(truth: Truth, found: Mapping[str, ScoredBoxes], options: CountOptions) -> Counted:
    scores = np.concatenate([np.empty(0), *(each.scores_N for each in found.values())])
    return Counted(truth.faces, int((scores >= options.at_least).sum()))


def table(result: Counted) -> list[TableRow]:
    return [TableRow("", "ratio", result.faces, result.detections / result.faces)]


def curves(result: Counted) -> Curves:
    ratio = result.detections / result.faces
    line = Curve("all", np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0.5, 1.0]), ratio)
    return Curves("share", "height", (line,))


@pytest.fixture(autouse=True)
def mine() -> Iterator[None]:
    with restored():
        nasface.register_dataset_format(
            nasface.DatasetFormat("table", "faces.tsv", is_table, read_table)
        )
        nasface.register_protocol(
            nasface.Protocol("count", read_truth, count, table, curves, options=CountOptions)
        )
        yield


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The tiny data set as a table, and weights."""
    lines = []
    root = write_tiny(tmp_path / "data")
    for split in ("train", "val"):
        for record in nasface.read_dataset(root, split):
            name = record.path.relative_to(root).as_posix()
            lines.append("\t".join([split, name, *map(str, record.boxes_M4.ravel())]))
    for file in (root / "wider_face_split").iterdir():
        file.unlink()
    (root / "wider_face_split").rmdir()
    (root / "faces.tsv").write_text("\n".join(lines))
    write_lively_weights(tmp_path / "w.safetensors")
    return tmp_path


def test_a_format_is_recognised_and_named(place: Path) -> None:
    train = nasface.read_dataset(place / "data")
    assert (train.format, len(train), train.faces) == ("table", 8, 12)
    assert nasface.read_dataset(place / "data", "val", "table").faces == 4
    assert nasface.evaluate({}, place / "data").summary == {"ap": 0.0}


def test_a_protocol_is_scored_written_plotted_and_reported(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = f"evaluate count --data {place}/data --weights {place}/w.safetensors --out {out}"
    words += " --inference.score-threshold 0 --inference.max-detections 10 --json"
    assert main(words.split()) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["ratio"], figures["detections"]) == (30 / 4, 30)
    assert "protocol: count" in (out / "config.yaml").read_text()
    assert "at_least: 0" in (out / "config.yaml").read_text()
    detector = nasface.load_detector(place / "w.safetensors")
    val = nasface.read_dataset(place / "data", "val")
    result = detector.evaluate(val, "count", at_least=2.0)
    assert result.ratio == 0
    assert main(["plot", str(out), "--out", str(tmp_path / "f.svg")]) == 0
    assert "<!-- out  7.500 -->" in (tmp_path / "f.svg").read_text()
    assert main(["report", str(out), "--out", str(tmp_path / "r.html")]) == 0
    text = (tmp_path / "r.html").read_text()
    for shown in ("Protocol count", "ratio", "Height over share: all", "evaluate count --config"):
        assert shown in text
    again = f"evaluate --config {out}/config.yaml --out {tmp_path}/again --json"
    capsys.readouterr()
    assert main(again.split()) == 0
    assert json.loads(capsys.readouterr().out) == figures


def test_training_reads_the_format(place: Path, tmp_path: Path) -> None:
    words = f"train --data {place}/data --neck none --epochs 1 --batch-size 4 --augment.size 64"
    words += " --detector.channels 8 --detector.head-layers 1 --device cpu"
    assert main([*words.split(), "--out", str(tmp_path / "run")]) == 0
    assert json.loads((tmp_path / "run" / "data.json").read_text())["train"]["images"] == 8

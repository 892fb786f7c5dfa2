"""``nasface convert`` as typed."""

import json
from pathlib import Path

import pytest
from tiny import write_tiny

from nasface.annotations.formats import read_dataset
from nasface.cli.main import main

Output = pytest.CaptureFixture[str]


def test_what_is_written_and_lost_is_said(tmp_path: Path, capsys: Output) -> None:
    write_tiny(tmp_path / "data")
    assert main(f"convert {tmp_path}/data --to coco {tmp_path}/coco".split()) == 0
    printed = capsys.readouterr().out
    assert "train      8 images, 12 faces\nval        3 images, 4 faces\n" in printed
    assert f"written    {tmp_path}/coco (coco, from widerface)" in printed
    words = f"convert {tmp_path}/coco --to wider {tmp_path}/back --images link --json"
    assert main(words.split()) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["lost"] == ["masks and key points, if there are any: only boxes are read"]
    assert read_dataset(tmp_path / "back", "val").faces == 4


def test_mistakes_are_answered(tmp_path: Path, capsys: Output) -> None:
    write_tiny(tmp_path / "data")
    assert main(f"convert {tmp_path}/data --to yollo {tmp_path}/out".split()) == 2
    assert "did you mean 'yolo'?" in capsys.readouterr().err
    assert main(f"convert {tmp_path}/none --to yolo {tmp_path}/out".split()) == 2
    assert "none: does not exist; expected the folder of a data set" in capsys.readouterr().err


def test_an_image_that_cannot_be_read(tmp_path: Path, capsys: Output) -> None:
    root = write_tiny(tmp_path / "data")
    (root / "WIDER_train" / "images" / "0--Squares" / "1.jpg").write_bytes(b"no image")
    words = f"convert {root} --to coco {tmp_path}/out".split()
    assert main(words) == 2
    line = capsys.readouterr().err
    assert "1 of 8 training images cannot be read" in line
    assert "or leave them out by --bad-images skip" in line
    assert not (tmp_path / "out").exists()
    assert main([*words, "--bad-images", "skip", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["left_out"] == {"train": ["0--Squares/1.jpg"]}
    assert figures["images"] == {"train": 7, "val": 3}
    assert len(read_dataset(tmp_path / "out", "train")) == 7


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "csv", "retinaface"])
def test_every_form_is_checked_and_trained_on(tmp_path: Path, capsys: Output, form: str) -> None:
    write_tiny(tmp_path / "data")
    assert main(f"convert {tmp_path}/data --to {form} {tmp_path}/set".split()) == 0
    capsys.readouterr()
    assert main(f"check-data {tmp_path}/set --json".split()) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["format"], figures["train"]["valid_faces"]) == (form, 12)
    words = f"train --data {tmp_path}/set --neck none --epochs 1 --batch-size 4 --augment.size 64"
    words += " --detector.channels 8 --detector.head-layers 1 --device cpu"
    assert main([*words.split(), "--out", str(tmp_path / "run")]) == 0
    weights = tmp_path / "run" / "last.safetensors"
    assert main(f"evaluate --data {tmp_path}/set --weights {weights} --json".split()) == 0


def test_a_training_on_its_own_validation_images_says_so(tmp_path: Path, capsys: Output) -> None:
    write_tiny(tmp_path / "data")
    assert main(f"convert {tmp_path}/data --to coco {tmp_path}/set".split()) == 0
    file = tmp_path / "set" / "annotations" / "instances_train.json"
    words = f"train --data {file} --neck none --epochs 1 --batch-size 4 --augment.size 64"
    words += " --detector.channels 8 --detector.head-layers 1 --device cpu --out"
    said = "8 of the 8 validation images are trained on"
    assert main([*words.split(), str(tmp_path / "one")]) == 0
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
    assert main([*words.split(), str(tmp_path / "two"), "--val-fraction", "0.25"]) == 0
    captured = capsys.readouterr()
    assert said not in captured.out + captured.err

"""``nasface evaluate widerface`` as typed."""

import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import write_untrained, write_wider
from commands import Output, fails, figures

from nasface.annotations.detections import ScoredBoxes, write_detections
from nasface.cli.main import main
from nasface.data.images import write_image
from nasface.inference import batch as running
from nasface.inference import predict


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    write_wider(folder)
    write_untrained(folder)
    return folder


def test_right_detections_score_one(place: Path, tmp_path: Path, capsys: Output) -> None:
    words = f"evaluate widerface --data {place}/wider --detections"
    with tarfile.open(tmp_path / "right.tgz", "w:gz") as archive:
        archive.add(place / "right", "right")
    found = figures(f"{words} {tmp_path}/right.tgz --out {tmp_path}/out", capsys)
    assert [found[name] for name in ("easy", "medium", "hard")] == [1.0, 1.0, 1.0]
    rows = {(row["group"], row["name"]): (row["faces"], row["value"]) for row in found["table"]}
    assert [rows["", name] for name in ("easy", "medium", "hard")] == [(3, 1), (4, 1), (4, 1)]
    assert rows["height", "20 to 50 px"] == (4, 1.0)
    assert rows["event", "0--Squares"] == (4, 1.0)
    assert rows["blur", "heavy"] == (0, None)
    assert "official protocol" in found["protocol"]
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == found
    assert len((tmp_path / "out" / "curves.csv").read_text().splitlines()) == 3001
    assert (tmp_path / "out" / "curves.png").stat().st_size > 1000
    assert figures(f"{words} {place}/right", capsys)["hard"] == 1.0
    assert main([*words.split(), str(place / "right")]) == 0
    assert "│ hard   │     4 │ 1.0000 │" in capsys.readouterr().out


def test_a_part_of_the_images_is_said_to_be_one(
    place: Path, tmp_path: Path, capsys: Output
) -> None:
    words = f"evaluate widerface --data {place}/wider --detections {tmp_path}/some"
    shutil.copytree(place / "right", tmp_path / "some")
    (tmp_path / "some" / "0--Squares" / "1.txt").unlink()
    found = figures(words, capsys)
    assert found["hard"] == pytest.approx(0.5)
    assert found["images_without_entry"] == 1
    assert found["folders_without_entry"] == []
    assert main(words.split()) == 0
    assert "1 of 3 images have no detections" in capsys.readouterr().out
    (tmp_path / "list.txt").write_text("0--Squares/0.jpg\n")
    found = figures(f"{words} --images {tmp_path}/list.txt", capsys)
    assert found["hard"] == 1.0
    assert found["entries_without_image"] == 1
    assert "only the 1 images listed in list.txt" in found["protocol"]


def test_the_text_form_of_the_ground_truth(place: Path, capsys: Output) -> None:
    words = (
        f"evaluate widerface --ground-truth text --data {place}/wider --detections {place}/right"
    )
    found = figures(words, capsys)
    assert found["valid"] == 1.0
    assert "all valid faces" in found["protocol"]


def test_mistakes_name_their_place(place: Path, tmp_path: Path, capsys: Output) -> None:
    words = f"evaluate widerface --data {place}/wider"
    assert "expected one of them" in fails(words, capsys)
    assert "expected one of them" in fails(f"{words} --weights a --detections b", capsys)
    assert "data: is missing" in fails("evaluate widerface --detections x", capsys)
    assert "wider_face_val.mat: cannot be read" in fails(
        f"evaluate widerface --data {tmp_path} --detections {place}/right", capsys
    )
    shutil.copytree(place / "right", tmp_path / "bad")
    path = tmp_path / "bad" / "0--Squares" / "0.txt"
    path.write_text(path.read_text() + "1 2 3\n")
    out = f"--out {tmp_path}/none"
    assert f"{path}:4: 2 rows" in fails(f"{words} --detections {tmp_path}/bad {out}", capsys)
    assert not (tmp_path / "none").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    given = f"{words} --detections {place}/right --out {tmp_path}/full"
    assert "exists and is not empty" in fails(given, capsys)
    assert "needs --out" in fails(f"{words} --detections {place}/right --resume", capsys)


@pytest.mark.parametrize("preset", ["vga", "flip", "pyramid"])
def test_weights_with_each_preset(place: Path, tmp_path: Path, capsys: Output, preset: str) -> None:
    words = f"evaluate widerface --data {place}/wider --weights {place}/w.safetensors"
    options = "--inference.score-threshold 0 --inference.max-detections 40"
    options += f" --inference.preset {preset} --out {tmp_path}/out"
    found = figures(f"{words} {options}", capsys)
    assert 0 <= found["hard"] < 0.5
    assert found["images_without_entry"] == 0
    shown = {"vga": "640", "flip": "mirrored", "pyramid": "pyramid"}[preset]
    assert shown in found["inference"]
    files = sorted((tmp_path / "out" / "detections" / "0--Squares").iterdir())
    assert [path.name for path in files] == ["0.txt", "1.txt", "2.txt"]
    # What was written for a test server scores as what was in memory.
    again = figures(
        f"evaluate widerface --data {place}/wider --detections {tmp_path}/out/detections", capsys
    )
    assert again["hard"] == pytest.approx(found["hard"], abs=1e-9)


def test_a_stopped_evaluation_goes_on(
    place: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = f"evaluate widerface --data {place}/wider --weights {place}/w.safetensors"
    options = "--inference.score-threshold 0 --inference.max-detections 30"
    whole = figures(f"{words} {options} --out {tmp_path}/whole", capsys)
    looked_at: list[int] = []
    detect = predict.detect

    def interrupted(*arguments: Any) -> Any:
        looked_at.append(1)
        if len(looked_at) == 3:
            raise KeyboardInterrupt
        return detect(*arguments)

    monkeypatch.setattr(running, "detect", interrupted)
    out = tmp_path / "out"
    assert main(f"{words} {options} --out {out}".split()) == 130
    assert len(list(out.rglob("*.txt"))) == 2
    assert "inference is" in fails(
        f"{words} --inference.max-detections 9 --out {out} --resume", capsys
    )
    assert figures(f"{words} --out {out} --resume", capsys) == whole
    assert len(looked_at) == 4


def test_images_that_are_not_there_are_counted(place: Path, tmp_path: Path, capsys: Output) -> None:
    shutil.copytree(place / "wider", tmp_path / "wider")
    photos = tmp_path / "wider" / "WIDER_val" / "images" / "0--Squares"
    (photos / "1.jpg").unlink()
    (photos / "2.jpg").write_bytes(b"\xff\xd8\xff no picture")
    words = f"evaluate widerface --data {tmp_path}/wider --weights {place}/w.safetensors"
    found = figures(f"{words} --bad-images skip", capsys)
    assert (found["images_without_entry"], found["images_left_out"]) == (2, 1)
    shutil.rmtree(photos)
    assert "none of its 3 images is there" in fails(words, capsys)


def write_text_set(folder: Path, names: list[str]) -> Path:
    """A set whose images have any names, a face at (20, 20) with sides 60 and 70 in each."""
    rows = "1\n20 20 60 70 0 0 0 0 0 0\n"
    for part in ("train", "val"):
        for name in names:
            path = folder / f"WIDER_{part}" / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, np.full((96, 128, 3), 90, np.uint8))
        (folder / "wider_face_split").mkdir(exist_ok=True)
        listing = folder / "wider_face_split" / f"wider_face_{part}_bbx_gt.txt"
        listing.write_text("".join(f"{name}\n{rows}" for name in names))
    return folder


RIGHT = ScoredBoxes(np.array([[20, 20, 80, 90]]), np.array([0.9]))


@pytest.mark.parametrize(
    "names",
    [
        ["e/a.png", "e/b.png"],
        ["e/a.JPG", "e/b.jpeg", "e/c.webp", "e/d.jpg"],
        ["a.jpg", "b.png"],
        ["x/y/a.jpg", "x/y/b.jpg"],
        ["a.jpg", "x/a.jpg", "x/y/a.jpg", "x/y/z/a.png"],
        ["e/a.b.jpg", "e/a.b.c.png", "e/a.jpg"],
    ],
    ids=" ".join,
)
def test_images_of_any_suffix_and_depth(
    place: Path, tmp_path: Path, capsys: Output, names: list[str]
) -> None:
    root = write_text_set(tmp_path / "set", names)
    for name in names:
        write_detections(tmp_path / "right", name, RIGHT)
    words = f"evaluate widerface --ground-truth text --data {root}"
    found = figures(f"{words} --detections {tmp_path}/right", capsys)
    assert (found["valid"], found["images_without_entry"]) == (1.0, 0)
    options = f"--inference.score-threshold 0 --inference.max-detections 9 --out {tmp_path}/out"
    made = figures(f"{words} --weights {place}/w.safetensors {options}", capsys)
    assert made["images_without_entry"] == 0
    again = figures(f"{words} --detections {tmp_path}/out/detections", capsys)
    assert again["valid"] == pytest.approx(made["valid"], abs=1e-9)


def test_images_that_differ_in_their_suffix_only(
    place: Path, tmp_path: Path, capsys: Output
) -> None:
    root = write_text_set(tmp_path / "set", ["e/a.jpg", "e/a.png"])
    write_detections(tmp_path / "right", "e/a.jpg", RIGHT)
    words = f"evaluate widerface --ground-truth text --data {root}"
    message = "images 'e/a.jpg' and 'e/a.png' are both 'e/a'"
    assert message in fails(f"{words} --detections {tmp_path}/right", capsys)
    weights = f"{words} --weights {place}/w.safetensors --inference.score-threshold 0"
    assert message in fails(f"{weights} --out {tmp_path}/out", capsys)
    assert not (tmp_path / "out").exists()
    # Without files there is nothing to confuse them in.
    assert figures(weights, capsys)["images_without_entry"] == 0


def test_detections_in_a_zip_archive(tmp_path: Path, capsys: Output) -> None:
    root = write_text_set(tmp_path / "set", ["e/a.jpg", "e/b.jpg"])
    with zipfile.ZipFile(tmp_path / "results.zip", "w") as archive:
        for name in ("a", "b"):
            archive.writestr(f"results/e/{name}.txt", f"\ufeff{name}\r\n1\r\n20 20 60 70 0.9\r\n")
    words = (
        f"evaluate widerface --ground-truth text --data {root} --detections {tmp_path}/results.zip"
    )
    assert figures(words, capsys)["valid"] == 1.0


def test_detections_of_no_image_are_no_result(tmp_path: Path, capsys: Output) -> None:
    root = write_text_set(tmp_path / "set", ["e/a.jpg"])
    write_detections(tmp_path / "other", "f/b.jpg", RIGHT)
    words = f"evaluate widerface --ground-truth text --data {root} --detections {tmp_path}/other"
    assert "detections of no image that is evaluated on: 'f/b' is none" in fails(words, capsys)

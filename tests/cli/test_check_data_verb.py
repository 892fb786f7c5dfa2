"""``nasface check-data`` as typed."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import write_tiny

from nasface.cli.main import main
from nasface.errors import MissingPackageError

Output = pytest.CaptureFixture[str]


def write_set(folder: Path, row: str, orientation: int = 1) -> Path:
    """A set of one image of 200 x 100 pixels in each part, with noise so that no two are alike."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    for at, part in enumerate(("train", "val")):
        path = folder / f"WIDER_{part}" / "images" / "e" / "a.jpg"
        path.parent.mkdir(parents=True)
        noise = np.random.default_rng(at).integers(0, 256, (100, 200, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path, exif=exif)
        (folder / "wider_face_split").mkdir(exist_ok=True)
        listing = folder / "wider_face_split" / f"wider_face_{part}_bbx_gt.txt"
        listing.write_text(f"e/a.jpg\n1\n{row}\n")
    return folder


def test_a_sound_data_set(tmp_path: Path, capsys: Output) -> None:
    write_tiny(tmp_path / "data")
    assert main(f"check-data {tmp_path}/data --out {tmp_path}/out".split()) == 0
    printed = capsys.readouterr().out
    assert "training: 8 images, 12 faces, 12 of them valid" in printed
    assert "│ 20 to 49 px     │       12 │          4 │" in printed
    assert "│ 1            │        4 │          2 │" in printed
    assert "ok         nothing is wrong with the data" in printed
    figures = json.loads((tmp_path / "out" / "data.json").read_text())
    assert figures["train"]["valid_faces"] == 12
    assert (tmp_path / "out" / "faces.png").stat().st_size > 5000
    assert main(f"check-data {tmp_path}/data --out {tmp_path}/out".split()) == 2
    assert "exists; choose another --out" in capsys.readouterr().err


def test_nothing_is_left_of_figures_that_cannot_be_written(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny(tmp_path / "data")
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if "faces" in path.name:
            raise OSError(28, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(f"check-data {tmp_path}/data --out {tmp_path}/out".split()) == 2
    assert "out/faces.png: cannot be written: No space left" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


def test_no_picture_is_named_that_was_not_drawn(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_package(_: object) -> None:
        raise MissingPackageError("matplotlib is not installed")

    write_tiny(tmp_path / "data")
    monkeypatch.setattr("nasface.plots.data.plot_faces", without_package)
    assert main(f"check-data {tmp_path}/data --out {tmp_path}/out".split()) == 0
    printed = capsys.readouterr()
    assert "no pictures: " in printed.err + printed.out
    assert "faces.png" not in printed.err + printed.out
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["data.json"]


@pytest.mark.parametrize(("exif", "code"), [("ignore", 1), ("apply", 0)])
def test_pictures_that_are_annotated_as_shown(
    tmp_path: Path, capsys: Output, exif: str, code: int
) -> None:
    root = write_set(tmp_path / "set", "10 120 60 50 0 0 0 0 0 0", orientation=6)
    assert main(f"check-data {root} --exif {exif} --json".split()) == code
    figures = json.loads(capsys.readouterr().out)
    found = {each["kind"]: each for each in figures["train"]["findings"]}
    assert found["turned"]["problem"] == (code == 1)
    assert ("beyond" in found) == (code == 1)
    assert ("try --exif apply" in found["turned"]["text"]) == (code == 1)


def test_everything_that_is_wrong_is_said(tmp_path: Path, capsys: Output) -> None:
    root = write_set(tmp_path / "set", "190 10 60 50 0 0 0 1 0 0")
    (root / "WIDER_val" / "images" / "e" / "a.jpg").unlink()
    assert main(["check-data", str(root)]) == 1
    printed = capsys.readouterr().out
    for words in (
        "problem    training: beyond the border of the image: 1 face (e/a.jpg)",
        "problem    training: no valid face in any image",
        "problem    validation: cannot be read: 1 of 1 images",
    ):
        assert words in printed


def test_a_part_alone_and_none(tmp_path: Path, capsys: Output) -> None:
    root = write_set(tmp_path / "set", "10 10 60 50 0 0 0 0 0 0")
    (root / "wider_face_split" / "wider_face_train_bbx_gt.txt").unlink()
    assert main(["check-data", str(root)]) == 0
    printed = capsys.readouterr().out
    assert "validation: 1 images" in printed
    assert "training" not in printed
    assert main(["check-data", str(tmp_path / "none")]) == 2
    assert "none: does not exist" in capsys.readouterr().err

import errno
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny import write_tiny

import nasface
from nasface.annotations.formats import DATASET_FORMATS, read_dataset
from nasface.annotations.records import ImageRecord
from nasface.annotations.widerface import write_wider_annotations
from nasface.data.images import read_image, write_image
from nasface.errors import ConfigError, DataError, OutputError
from nasface.io.archives import file_bytes

WRITTEN = [name for name, form in DATASET_FORMATS.items() if form.writer is not None]
WIDTH, HEIGHT = 90, 70


def write_wider(root: Path, rows_of: dict[str, list[list[int]]], exif: int = 1) -> Path:
    """The images of both parts, noise."""
    turned = Image.Exif()
    turned[0x0112] = exif
    for split in ("train", "val"):
        for at, name in enumerate(rows_of):
            path = root / f"WIDER_{split}" / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(at).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
            Image.fromarray(noise).save(path, exif=turned)
        listing = root / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt"
        listing.parent.mkdir(exist_ok=True)
        entries = {name: np.array(rows, np.int64).reshape(-1, 10) for name, rows in rows_of.items()}
        write_wider_annotations(listing, entries.items())
    return root


def face(x: int, y: int, w: int, h: int, **attributes: int) -> list[int]:
    keys = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
    return [x, y, w, h, *(attributes.get(key, 0) for key in keys)]


@st.composite
def faces(draw: st.DrawFn) -> list[int]:
    x, y = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    w, h = draw(st.integers(1, WIDTH - x)), draw(st.integers(1, HEIGHT - y))
    return face(x, y, w, h, invalid=draw(st.integers(0, 1)), blur=draw(st.integers(0, 2)))


def stem(record: ImageRecord) -> str:
    return PurePosixPath(record.name).stem


def valid_faces(records: Sequence[Any]) -> dict[str, list[list[float]]]:
    """Stem of an image -> its valid faces, in order of their corners."""
    return {stem(each): sorted(each.boxes_M4[each.valid_M].round(3).tolist()) for each in records}


NAMES = st.sampled_from(
    [
        *(
            "a.jpg",
            "b.png",
            "e/c.jpg",
            "e/d e.jpeg",
            "f/ü.png",
            "e/deep/g.jpg",
            "H.JPG",
            "a.b.c.jpg",
        ),
        # What a form might take for something else: quotes, comments, numbers, its own folders.
        *("i,i.jpg", 'j"j.jpg', "k&k<k>.jpg", "# l.jpg", "0.jpg", "null.png", "=1+1.jpg", "-m.jpg"),
        *(
            "images/n.jpg",
            "labels/o.jpg",
            "train/p.jpg",
            "x/val/q.jpg",
            "[r].jpg",
            "s*.jpg",
            "t;.jpg",
        ),
    ]
)


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(NAMES, st.lists(faces(), max_size=4), min_size=1), st.data())
def test_there_and_back(rows: dict[str, list[list[int]]], data: st.DataObject) -> None:
    """Through any two forms, the valid faces are where they were, and images are the same."""
    first, second = (data.draw(st.sampled_from(WRITTEN)) for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        root = write_wider(Path(folder) / "start", rows)
        nasface.convert(root, first, Path(folder) / "first", images="link")
        nasface.convert(Path(folder) / "first", second, Path(folder) / "second")
        for split in ("train", "val"):
            before = read_dataset(root, split)
            after = read_dataset(Path(folder) / "second", split)
            assert after.format == second
            assert valid_faces(after) == valid_faces(before)
            pixels = {stem(each): file_bytes(each.path) for each in before}
            assert {stem(each): file_bytes(each.path) for each in after} == pixels


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("name", [".a.jpg", "e/.b/c.jpg"])
def test_hidden_images(tmp_path: Path, form: str, name: str) -> None:
    """Kept where a list names them; forms whose folders are listed would lose them."""
    root = write_wider(tmp_path / "start", {name: [face(1, 2, 30, 40)]})
    if form in ("yolo", "voc"):
        with pytest.raises(
            DataError, match=f"is hidden, and would not be found in the form {form}"
        ):
            nasface.convert(root, form, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return
    nasface.convert(root, form, tmp_path / "out")
    (found,) = read_dataset(tmp_path / "out")
    assert found.boxes_M4.tolist() == [[1, 2, 31, 42]]


@pytest.mark.parametrize("form", WRITTEN)
def test_what_a_form_keeps_of_ignored_faces(tmp_path: Path, form: str) -> None:
    rows = [face(1, 2, 30, 40, blur=2), face(40, 5, 20, 20, invalid=1)]
    root = write_wider(tmp_path / "start", {"e/a.jpg": rows})
    made = nasface.convert(root, form, tmp_path / "out")
    found = read_dataset(tmp_path / "out", "val")
    keeps = form not in ("yolo", "retinaface")
    assert found[0].valid_M.tolist() == ([True, False] if keeps else [True])
    assert ("1 ignored faces" in " ".join(made.lost)) is False
    assert any("2 ignored faces left out" in text for text in made.lost) == (not keeps)
    wanted = form in ("widerface", "coco", "shards")
    assert ("blur" in found[0].attributes) == wanted
    assert ("attributes without a place: blur (2 faces)" in made.lost) == (not wanted)
    assert made.images == {"train": 1, "val": 1}


@pytest.mark.parametrize("exif", range(1, 9))
def test_turned_photographs(tmp_path: Path, exif: int) -> None:
    """YOLO has boxes on the picture as shown, COCO here on the picture as stored: the pixels in a
    box are the same ones."""
    box = (8, 6, 30, 20)
    root = write_wider(tmp_path / "start", {"a.png": [face(*box)]}, exif)
    made = nasface.convert(root, "yolo", tmp_path / "yolo")
    assert any("turned by EXIF" in text for text in made.lost) == (exif != 1)
    shown = read_dataset(tmp_path / "yolo")[0]
    x1, y1, x2, y2 = shown.boxes_M4.round().astype(int)[0]
    stored = read_image(root / "WIDER_train/images/a.png", exif=False)[6:26, 8:38]
    pixels = read_image(shown.path, exif=True)[y1:y2, x1:x2]
    assert sorted(map(tuple, pixels.reshape(-1, 3))) == sorted(map(tuple, stored.reshape(-1, 3)))
    nasface.convert(tmp_path / "yolo", "coco", tmp_path / "coco")
    np.testing.assert_allclose(
        read_dataset(tmp_path / "coco")[0].boxes_M4, [[8, 6, 38, 26]], atol=1e-3
    )


def test_boxes_beyond_the_border_are_cut_for_yolo(tmp_path: Path) -> None:
    rows = [face(-4, 60, 30, 40), face(200, 5, 20, 20)]
    root = write_wider(tmp_path / "start", {"a.jpg": rows})
    made = nasface.convert(root, "yolo", tmp_path / "out")
    assert made.lost == (
        "4 boxes cut at the border of their image",
        "2 faces without an area inside their image left out",
    )
    found = read_dataset(tmp_path / "out")
    np.testing.assert_allclose(found[0].boxes_M4, [[0, 60, 26, 70]], atol=1e-4)
    nasface.convert(root, "voc", tmp_path / "voc")
    assert read_dataset(tmp_path / "voc")[0].boxes_M4.tolist() == [
        [-4, 60, 26, 100],
        [200, 5, 220, 25],
    ]


def test_fractions_of_pixels_are_rounded_for_wider(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", np.zeros((50, 50, 3), np.uint8))
    (tmp_path / "a.csv").write_text("filename,xmin,ymin,xmax,ymax\na.jpg,1.4,2,10.6,20\n")
    made = nasface.convert(tmp_path / "a.csv", "wider", tmp_path / "out")
    assert made.lost == ("1 boxes rounded to whole pixels",)
    assert made.images == {"train": 1}
    assert read_dataset(tmp_path / "out")[0].boxes_M4.tolist() == [[1, 2, 11, 20]]


def test_a_data_set_without_parts_is_divided(tmp_path: Path) -> None:
    nasface.convert(write_tiny(tmp_path / "a"), "coco", tmp_path / "coco")
    file = tmp_path / "coco" / "annotations" / "instances_train.json"
    made = nasface.convert(file, "yolo", tmp_path / "yolo", val_fraction=0.25)
    assert made.images == {"train": 6, "val": 2}
    assert nasface.convert(file, "voc", tmp_path / "voc").images == {"train": 8}


def test_what_lies_in_an_archive_cannot_be_linked(tmp_path: Path) -> None:
    nasface.convert(write_tiny(tmp_path / "a"), "shards", tmp_path / "shards")
    with pytest.raises(ConfigError, match=r"0000\.jpg lies in an archive, expected copy"):
        nasface.convert(tmp_path / "shards", "coco", tmp_path / "out", images="link")


def test_links(tmp_path: Path) -> None:
    root = write_tiny(tmp_path / "a")
    nasface.convert(root, "coco", tmp_path / "out", images="link")
    path = read_dataset(tmp_path / "out")[0].path
    assert path.is_symlink()
    assert path.resolve().is_relative_to(root.resolve())


def test_names_that_parts_share(tmp_path: Path) -> None:
    """Pascal VOC has one folder of images."""
    nasface.convert(write_tiny(tmp_path / "a"), "voc", tmp_path / "out")
    assert read_dataset(tmp_path / "out", "val").names[0] == "val/0--Squares/0.jpg"
    assert (tmp_path / "out" / "JPEGImages" / "train" / "0--Squares" / "0.jpg").is_file()


def test_what_cannot_be_converted(tmp_path: Path) -> None:
    root = write_wider(tmp_path / "a", {"a.jpg": [], "a.png": []})
    with pytest.raises(ConfigError, match=r"no form 'yol' to write; expected .* 'yolo'\?"):
        nasface.convert(root, "yol", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"^images: unknown 'lnik'; .* 'link'\?$"):
        nasface.convert(root, "yolo", tmp_path / "out", images="lnik")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no form 'fddb' to write"):
        nasface.convert(root, "fddb", tmp_path / "out")
    with pytest.raises(DataError, match=r"'a\.jpg' and 'a\.png' cannot be told apart in the form"):
        nasface.convert(root, "yolo", tmp_path / "out")
    with pytest.raises(DataError, match="exists; choose another folder"):
        nasface.convert(root, "coco", root)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    root = write_wider(tmp_path / "a", {"a.jpg": [face(1, 2, 3, 4)]})
    (root / "WIDER_val" / "images" / "a.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a\.jpg: is damaged or no image"):
        nasface.convert(root, "coco", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_an_image_that_does_not_fit_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new place is named, not the image that is sound."""

    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(target))

    monkeypatch.setattr(shutil, "copyfile", full)
    data = write_tiny(tmp_path / "data")
    out = tmp_path / "out"
    with pytest.raises(OutputError, match=rf"^{out}/images/.*: cannot be written: No space"):
        nasface.convert(data, "coco", out)
    assert not out.exists()


def test_a_conversion_that_was_killed(tmp_path: Path) -> None:
    """Nothing half is there under the name; the next one writes all, and tells of what is left."""
    root = write_wider(tmp_path / "a", {"a.jpg": [face(1, 2, 3, 4)], "b.jpg": [face(5, 6, 7, 8)]})
    out = tmp_path / "out"
    program = (
        "import os, signal, sys, nasface\n"
        "from nasface.progress import Silent\n"
        "class Deadly(Silent):\n"
        "    def start(self, name, total=None, **more): self.name = name\n"
        "    def advance(self, *_, **__):\n"
        "        if self.name == 'convert': os.kill(os.getpid(), signal.SIGKILL)\n"
        "nasface.convert(sys.argv[1], 'coco', sys.argv[2], progress=Deadly())\n"
    )
    command = [sys.executable, "-c", program, str(root), str(out)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (left,) = (path for path in tmp_path.iterdir() if path != root)
    assert left.name.startswith(".out.")
    with pytest.warns(FutureWarning, match=rf"{left.name}: left by a run that was killed"):
        nasface.convert(root, "coco", out)
    assert [record.name for record in read_dataset(out, "train")] == ["a.jpg", "b.jpg"]


def test_progress_is_shown_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_tiny(tmp_path / "tiny", train=3, val=2)
    nasface.convert(root, "coco", tmp_path / "quiet", progress=False)
    assert capsys.readouterr().err == ""
    nasface.convert(root, "coco", tmp_path / "shown", progress=True)
    assert "convert 5/5" in capsys.readouterr().err

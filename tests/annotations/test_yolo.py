"""Data sets in the form of YOLO."""

from pathlib import Path

import numpy as np
import pytest
from annotated import FACES, boxes_of, write_yolo
from PIL import Image

from nasface.annotations.formats import read_dataset
from nasface.annotations.records import Exif
from nasface.data.check import check_records
from nasface.data.images import write_image
from nasface.errors import ConfigError, DataError
from nasface.progress import Silent


def test_images_without_a_file_of_labels_are_counted(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    assert read_dataset(tmp_path).assumed == ""
    (tmp_path / "labels" / "train" / "a.txt").unlink()
    found = read_dataset(tmp_path)
    assert found.assumed == f"1 of {len(found)} images have no file of labels, and so no face"


@pytest.mark.parametrize(
    "text",
    [
        "train: images/train\nnames: [face]\n",
        "path: .\ntrain: ../images/train\nval: x\nnames: {0: face, 1: person}\n",
        "train: [images/train]\nnc: 2\nnames: [Face, person]\n",
        "train: list.txt\nnames: [face]\n",
    ],
)
def test_yolo(tmp_path: Path, text: str) -> None:
    write_yolo(tmp_path, text)
    listed = "list.txt" in text
    (tmp_path / "list.txt").write_text("".join(f"./images/train/{name}\n" for name in FACES))
    wanted = {f"images/train/{name}" if listed else name: each for name, each in FACES.items()}
    assert boxes_of(tmp_path) == wanted
    assert boxes_of(tmp_path / "data.yaml") == wanted
    assert read_dataset(tmp_path).format == "yolo"
    assert read_dataset(tmp_path)[0].exif == "apply"
    assert read_dataset(tmp_path, exif="ignore")[0].exif == "ignore"
    with pytest.raises(ConfigError, match=r"^exif: unknown 'aply'; .*did you mean 'apply'"):
        read_dataset(tmp_path, exif="aply")  # type: ignore[arg-type]


def test_polygons_other_classes_and_no_labels_of_yolo(tmp_path: Path) -> None:
    write_yolo(tmp_path, "train: images/train\nnames: [face, person]\n")
    (tmp_path / "labels/train/a.txt").write_text("0 0.25 0.5 0.5 0.25 0.75 0.75\n1 .5 .5 .5 .5\n\n")
    (tmp_path / "labels/train/deep/b.txt").unlink()
    assert boxes_of(tmp_path) == {"a.jpg": [(12.0, 8.0, 36.0, 24.0)], "deep/b.png": []}
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [face]\nkpt_shape: [1, 2]\n")
    (tmp_path / "labels/train/a.txt").write_text("0 0.5 0.5 0.5 0.5 0.4 0.4\n")
    assert boxes_of(tmp_path)["a.jpg"] == [(12.0, 8.0, 36.0, 24.0)]


def test_labels_of_yolo_beside_images(tmp_path: Path) -> None:
    """Also where a folder far above is called images."""
    root = tmp_path / "images" / "mine"
    write_yolo(root)
    for path in (root / "labels" / "train").rglob("*.txt"):
        path.rename(root / "images" / "train" / path.relative_to(root / "labels" / "train"))
    assert boxes_of(root) == FACES


def test_copies_that_jupyter_leaves_are_no_images_of_yolo(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    hidden = tmp_path / "images" / "train" / ".ipynb_checkpoints"
    hidden.mkdir()
    (hidden / "a-checkpoint.jpg").write_bytes(
        (tmp_path / "images" / "train" / "a.jpg").read_bytes()
    )
    assert boxes_of(tmp_path) == FACES


def test_yolo_on_a_turned_photograph(tmp_path: Path) -> None:
    """Shares are those of the picture as it is shown: 32 wide and 48 high."""
    write_yolo(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (48, 32)).save(tmp_path / "images/train/a.jpg", exif=exif)
    (tmp_path / "labels/train/a.txt").write_text("0 .5 .5 1 1\n")
    assert boxes_of(tmp_path)["a.jpg"] == [(0.0, 0.0, 32.0, 48.0)]


def test_shares_fit_the_picture_either_way(tmp_path: Path) -> None:
    """As shown, 32 wide and 48 high, and as stored, 48 wide and 32 high."""
    write_yolo(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (48, 32)).save(tmp_path / "images/train/a.jpg", exif=exif)
    (tmp_path / "labels/train/a.txt").write_text("0 .5 .25 .5 .5\n")
    (tmp_path / "a.csv").write_text("image,xmin,ymin,xmax,ymax\nimages/train/a.jpg,.25,0,.75,.5\n")
    for place in (tmp_path / "data.yaml", tmp_path / "a.csv"):
        expected: dict[Exif, list[int]] = {"apply": [8, 0, 24, 24], "ignore": [12, 0, 36, 16]}
        for exif_, box in expected.items():
            (record,) = (each for each in read_dataset(place, exif=exif_) if "a.jpg" in each.name)
            assert record.boxes_M4.tolist() == [box]
            finding = next(f for f in check_records([record], Silent()).findings)
            assert "so their sizes do not tell which is right" in finding.text


def test_an_image_of_yolo_that_cannot_be_read(tmp_path: Path) -> None:
    """It is left out or named by what reads images; its faces are known."""
    write_yolo(tmp_path)
    (tmp_path / "images/train/a.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a\.jpg: is damaged or no image"):
        read_dataset(tmp_path)
    found = read_dataset(tmp_path, need_images=False)
    assert found.faces == sum(map(len, FACES.values()))
    assert check_records(found, Silent()).left_out == ["a.jpg"]


@pytest.mark.parametrize("number", ["1", "7"])
def test_a_class_that_no_file_names(tmp_path: Path, number: str) -> None:
    write_yolo(tmp_path)
    (tmp_path / "labels/train/a.txt").write_text(f"0 .5 .5 .5 .5\n{number} .5 .5 .5 .5\n")
    with pytest.raises(
        DataError, match=rf"a\.txt:2: class {number} is not among those .*: '0 face'"
    ):
        read_dataset(tmp_path)
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(DataError, match=rf"a\.txt:2: class {number} is not among those"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    "label", ["face 1 2 3 4", "0 .5 .5 .5", "0 .5 .5 .5 nan", "0 50 50 10 10", "inf 0 0 0 0"]
)
def test_malformed_labels_of_yolo(tmp_path: Path, label: str) -> None:
    write_yolo(tmp_path)
    (tmp_path / "labels/train/a.txt").write_text(f"0 .5 .5 .5 .5\n{label}\n")
    with pytest.raises(DataError, match=r"a\.txt:2: .* is no label"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: images/none\nnames: [face]\n", "data.yaml: 'images/none' does not exist"),
        ("val: images/train\nnames: [face]\n", "has no split 'train'"),
        ("train: images/train\nnames: 3\n", "'names' is no list"),
        ("train: images/train\nnames: [hand, head]\n", "which class is a face"),
    ],
)
def test_malformed_settings_of_yolo(tmp_path: Path, text: str, message: str) -> None:
    write_yolo(tmp_path, text)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_labels_whose_folders_differ_in_case(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    (tmp_path / "labels" / "train").rename(tmp_path / "labels" / "Train")
    assert boxes_of(tmp_path) == FACES


def test_labels_called_as_the_whole_name(tmp_path: Path) -> None:
    """``a.jpg.txt``, if there is no ``a.txt``."""
    write_yolo(tmp_path)
    folder = tmp_path / "labels" / "train"
    (folder / "a.txt").rename(folder / "a.jpg.txt")
    assert boxes_of(tmp_path) == FACES
    (folder / "a.txt").write_text("")
    assert boxes_of(tmp_path)["a.jpg"] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("names: &x [face]\ntrain: *x\n", "data.yaml: not valid YAML: aliases"),
        ("train: images/train\ntrain: images/train\nnames: [face]\n", "data.yaml: .* given twice"),
        ("train: images/train\nnc: 1\n", "data.yaml: has no 'names' of classes"),
        ("names: [face]\n", "data.yaml: has no train or val"),
        ("train: images/train\nnmaes: [face]\n", "no 'names' of classes; did you mean 'nmaes'"),
        ("trian: images/train\nnames: [face]\n", "no train or val; did you mean 'trian'"),
    ],
)
def test_settings_of_yolo_that_cannot_be_used_say_why(tmp_path: Path, text: str, why: str) -> None:
    write_yolo(tmp_path, text)
    for place in (tmp_path, tmp_path / "data.yaml"):
        with pytest.raises(DataError, match=f"no known format.*; .*{why}"):
            read_dataset(place)


def test_images_none_of_which_has_labels(tmp_path: Path) -> None:
    """As where the labels lie elsewhere: all faces were lost without a word."""
    write_yolo(tmp_path)
    (tmp_path / "labels").rename(tmp_path / "annotations")
    with pytest.raises(
        DataError, match=r"no image of split 'train' has a file of labels; .*a\.txt"
    ):
        read_dataset(tmp_path)


def test_folders_of_one_part_with_images_of_one_name(tmp_path: Path) -> None:
    write_yolo(tmp_path / "one")
    write_yolo(tmp_path / "two")
    (tmp_path / "two" / "labels" / "train" / "a.txt").write_text("")
    text = "train: [./one/images/train, ../two/images/train]\nnames: [face]\n"
    (tmp_path / "data.yaml").write_text(text)
    found = boxes_of(tmp_path)
    assert found["one/images/train/a.jpg"] == FACES["a.jpg"]
    assert found["two/images/train/a.jpg"] == []
    (tmp_path / "data.yaml").write_text("train: [one/images/train]\nnames: [face]\n")
    assert boxes_of(tmp_path) == FACES
    twice = "train: [one/images/train, one/images/train]\nnames: [face]\n"
    (tmp_path / "data.yaml").write_text(twice)
    with pytest.raises(DataError, match=r"image 'a\.jpg' occurs twice"):
        read_dataset(tmp_path)


def test_labels_with_scores_are_named_as_such(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 .5 .5 .1 .1 .9\n")
    with pytest.raises(DataError, match=r"is no label, .*; five numbers are a box with its score"):
        read_dataset(tmp_path)


def test_text_beside_images_is_no_label(tmp_path: Path) -> None:
    """Neither notes, nor detections as WIDER FACE has them, nor labels beside other annotations."""
    write_image(tmp_path / "a.jpg", np.zeros((24, 32, 3), np.uint8))
    for text in ("", "a note\n", "a\n1\n1 2 3 4 0.9\n", "0 .5 .5 .1 .1 .9\n"):
        (tmp_path / "a.txt").write_text(text)
        with pytest.raises(DataError, match="is in no known format"):
            read_dataset(tmp_path)
    (tmp_path / "a.txt").write_text("0 .5 .5 .1 .1\n")
    assert read_dataset(tmp_path).format == "yolo"
    (tmp_path / "faces.csv").write_text("filename,xmin,ymin,xmax,ymax\na.jpg,1,2,3,4\n")
    assert read_dataset(tmp_path).format == "csv"


@pytest.mark.parametrize("row", ["0.7 .5 .5 .1 .1", ".5 .5 .1 .1 .9", "nan .5 .5 .1 .1"])
def test_a_class_that_is_no_whole_number(tmp_path: Path, row: str) -> None:
    """It was cut to 0, and rows without a class were read one number off."""
    write_yolo(tmp_path)
    (tmp_path / "labels" / "train" / "a.txt").write_text(row + "\n")
    with pytest.raises(DataError, match=r"a\.txt:1: .* is no label, expected a class and x y"):
        read_dataset(tmp_path)

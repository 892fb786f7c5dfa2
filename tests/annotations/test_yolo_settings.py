"""Settings of YOLO, and what stands for them."""

from pathlib import Path

import numpy as np
import pytest

from nasface.annotations.formats import read_dataset
from nasface.data.images import write_image
from nasface.errors import DataError


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_labelled(images: Path, labels: Path) -> None:
    images.mkdir(parents=True, exist_ok=True)
    for name in "abc":
        write_image(images / f"{name}.jpg", np.zeros((32, 48, 3), np.uint8))
        write(labels / f"{name}.txt", "0 .5 .5 .25 .25\n")


@pytest.mark.parametrize(
    ("images", "labels", "written"),
    [
        ("images", "labels", "images/"),
        ("images", "labels", "./images/"),
        ("images", "labels", "/content/faces/images/"),
        ("", "", "data/obj/"),
        ("", "", ""),
    ],
)
@pytest.mark.parametrize("with_classes", [True, False])
@pytest.mark.parametrize("val", ["val", "valid", "Val"])
def test_lists_tell_the_parts_of_one_folder(
    tmp_path: Path, images: str, labels: str, written: str, with_classes: bool, val: str
) -> None:
    write_labelled(tmp_path / images, tmp_path / labels)
    if with_classes:
        write(tmp_path / "classes.txt", "face\n")
    assert len(read_dataset(tmp_path, "val")) == 3
    write(tmp_path / "train.txt", f"{written}a.jpg\r\n{written}c.jpg\r\n")
    write(tmp_path / f"{val}.txt", f"{written}b.jpg\n")
    for split, wanted in (("train", "ac"), ("val", "b")):
        found = read_dataset(tmp_path, split)
        assert (found.format, found.assumed) == ("yolo", "")
        assert [record.path.stem for record in found] == list(wanted)
        assert [len(record.boxes_M4) for record in found] == [1] * len(wanted)
    with pytest.raises(DataError, match=r"has no split 'test'.*; splits there: train, val"):
        read_dataset(tmp_path, "test")


def test_folders_of_parts_come_before_lists(tmp_path: Path) -> None:
    write_labelled(tmp_path / "images" / "train", tmp_path / "labels" / "train")
    write(tmp_path / "train.txt", "images/train/a.jpg\n")
    assert len(read_dataset(tmp_path)) == 3


def test_text_that_lists_no_images(tmp_path: Path) -> None:
    write_labelled(tmp_path / "images", tmp_path / "labels")
    write(tmp_path / "train.txt", "how it was trained\n")
    (tmp_path / "val.txt").write_bytes(b"\xff\xfe\xfd")
    assert len(read_dataset(tmp_path)) == 3

from pathlib import Path

import numpy as np
import pytest

from nasface.annotations.formats import read_dataset
from nasface.data.images import write_image
from nasface.errors import DataError

ROW = "face 0.25 1 -1.57 1.5 2 3 4.25 1.5 1.6 3.7 1.8 1.5 8.4 0.01"


def write_kitti(root: Path, rows: dict[str, str]) -> None:
    for stem, text in rows.items():
        for place in (root / "images" / f"{stem}.png", root / "labels" / f"{stem}.txt"):
            place.parent.mkdir(parents=True, exist_ok=True)
        write_image(root / "images" / f"{stem}.png", np.zeros((32, 48, 3), np.uint8))
        (root / "labels" / f"{stem}.txt").write_text(text)


@pytest.mark.parametrize("word", ["DontCare", "dontcare"])
def test_columns_of_a_row(tmp_path: Path, word: str) -> None:
    ignored = f"{word} -1 -1 -10 5 6 9 9 -1 -1 -1 -1000 -1000 -1000 -10"
    other = ROW.replace("face", "hand")
    write_kitti(tmp_path, {"a": "", "b.c": f"{ROW}\r\n{ignored}\r\n{other}\r\n", "d": "\n"})
    found = read_dataset(tmp_path)
    assert (found.format, found.names) == ("kitti", ["a.png", "b.c.png", "d.png"])
    record = found[1]
    assert record.boxes_M4.tolist() == [[1.5, 2, 3, 4.25], [5, 6, 9, 9]]
    assert record.valid_M.tolist() == [True, False]
    told = {key: values.tolist() for key, values in record.attributes.items()}
    assert told == {"truncated": [1, 0], "occluded": [1, 0], "ignore": [0, 1]}
    assert read_dataset(tmp_path, classes=["hand"])[1].valid_M.tolist() == [False, True]
    with pytest.raises(DataError, match=r"has no class 'fase'; .* did you mean 'face'"):
        read_dataset(tmp_path, classes=["fase"])


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (f"{ROW} 0.9", "one more is a score"),
        (ROW.replace("4.25", "x"), "is no label"),
        (ROW.replace("4.25", "nan"), "is no label"),
        (ROW.rpartition(" ")[0], "is no label"),
        ("0 0.5 0.5 0.1 0.1", "is no label"),
    ],
)
def test_rows_that_are_no_labels(tmp_path: Path, row: str, why: str) -> None:
    write_kitti(tmp_path, {"a": ROW, "b": f"{ROW}\n{row}\n"})
    with pytest.raises(DataError, match=rf"b\.txt:2: .*{why}"):
        read_dataset(tmp_path)


def test_labels_of_yolo_are_not_taken_for_it(tmp_path: Path) -> None:
    write_kitti(tmp_path, {"a": "0 0.5 0.5 0.1 0.1"})
    assert read_dataset(tmp_path).format == "yolo"


def test_many_images_without_a_label(tmp_path: Path) -> None:
    write_kitti(tmp_path, {f"{number:02}": "" for number in range(60)} | {"99": ROW})
    found = read_dataset(tmp_path)
    assert (found.format, len(found), found.faces) == ("kitti", 61, 1)


def test_detections_are_no_labels(tmp_path: Path) -> None:
    write_kitti(tmp_path, {"a": f"{ROW} 0.9"})
    with pytest.raises(DataError, match=r"a\.txt:1: .* one more is a score, as detections have"):
        read_dataset(tmp_path)


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    write_kitti(tmp_path / "training", {"a": ROW})
    with pytest.raises(DataError, match=r"has no labels of split 'val'.*; splits there: train"):
        read_dataset(tmp_path, "val")

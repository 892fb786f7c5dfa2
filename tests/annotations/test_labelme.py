import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasface.annotations.formats import read_dataset
from nasface.data.images import write_image
from nasface.errors import DataError


def write_labelme(path: Path, shapes: list[Any], **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = path.with_suffix(".jpg")
    write_image(image, np.zeros((32, 48, 3), np.uint8))
    content = {"version": "5", "shapes": shapes, "imagePath": image.name, "imageData": None}
    path.write_text(json.dumps({**content, **more}))


def shape(kind: str, *points: tuple[float, float], label: str = "face", **more: Any) -> Any:
    return {"label": label, "shape_type": kind, "points": points, "flags": {}, **more}


def test_shapes_and_flags(tmp_path: Path) -> None:
    shapes = [
        shape("rectangle", (9, 3), (1, 7)),
        shape("polygon", (5, 5), (9, 6), (7, 11.5), flags={"occluded": True}),
        shape("circle", (10, 12), (13, 16), flags={"difficult": True}, difficult=False),
        shape("rotation", (4, 0), (8, 4), (4, 8), (0, 4), difficult=True),
        shape("point", (1, 1)),
        shape("linestrip", (1, 1), (2, 2)),
        shape("rectangle", (0, 0), (9, 9), label="hand"),
    ]
    write_labelme(tmp_path / "a.json", shapes, imageHeight=30, imageWidth=40)
    found = read_dataset(tmp_path)
    (record,) = found
    assert (found.format, record.name, record.exif) == ("labelme", "a.jpg", "apply")
    assert record.stated_size == (30, 40)
    boxes = [[1, 3, 9, 7], [5, 5, 9, 11.5], [5, 7, 15, 17], [0, 0, 8, 8]]
    assert record.boxes_M4.tolist() == boxes
    assert record.valid_M.tolist() == [True, True, False, False]
    assert record.attributes["occluded"].tolist() == [0, 1, 0, 0]
    assert read_dataset(tmp_path, classes=["hand"]).faces == 1


def test_folders_in_folders_and_parts(tmp_path: Path) -> None:
    write_labelme(tmp_path / "train" / "one" / "a.json", [shape("rectangle", (1, 2), (3, 4))])
    write_labelme(tmp_path / "train" / "two" / "a.json", [])
    write_labelme(tmp_path / "valid" / "b.json", [])
    assert read_dataset(tmp_path).names == ["one/a.jpg", "two/a.jpg"]
    assert read_dataset(tmp_path, "val").names == ["b.jpg"]
    with pytest.raises(DataError, match=r"no folder of split 'test'.*; splits there: train, val"):
        read_dataset(tmp_path, "test")


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        ([{"points": [[1, 2], [3, 4]]}], "a.json: shape 0 has no label"),
        ([3], "a.json: shape 0 has no label"),
        ([shape("rectangle")], "a.json: shape 0 has no points"),
        ([shape("rectangle", (3, 3))], "a.json: shape 0 has no points"),
        ([shape("circle", (1, 2))], "a.json: shape 0 has no points"),
        ([shape("rectangle", (1, 2), (3, float("nan")))], "a.json: shape 0 has no points"),
        ([{**shape("rectangle"), "points": [[1, 2, 3]]}], "a.json: shape 0 has no points"),
    ],
)
def test_malformed_shapes(tmp_path: Path, shapes: list[Any], why: str) -> None:
    write_labelme(tmp_path / "a.json", shapes)
    with pytest.raises(DataError, match=why):
        read_dataset(tmp_path)


def test_files_that_are_at_odds(tmp_path: Path) -> None:
    write_labelme(tmp_path / "a.json", [])
    write_labelme(tmp_path / "b.json", [], imagePath="a.jpg")
    with pytest.raises(DataError, match=r"b\.json: is of image 'a\.jpg', as is a\.json"):
        read_dataset(tmp_path)
    (tmp_path / "b.json").write_text('{"shapes": []}')
    with pytest.raises(DataError, match=r"b\.json: has no shapes and imagePath"):
        read_dataset(tmp_path)
    write_labelme(tmp_path / "b.json", [], imagePath="c.jpg")
    with pytest.raises(DataError, match=r"c\.jpg: image is missing, as are 1 of the 2"):
        read_dataset(tmp_path)


def test_labels_of_points_and_lines_count_among_the_classes(tmp_path: Path) -> None:
    shapes = [shape("rectangle", (1, 2), (3, 4), label="head"), shape("point", (1, 1), label="eye")]
    write_labelme(tmp_path / "a.json", shapes)
    with pytest.raises(DataError, match=r"which class is a face.* has 'eye', 'head'; name it"):
        read_dataset(tmp_path)
    assert read_dataset(tmp_path, classes="head").faces == 1
    assert read_dataset(tmp_path, classes="eye").faces == 0


@pytest.mark.parametrize("coding", ["utf-8", "utf-16"])
def test_other_json_files_are_left_out_and_named(tmp_path: Path, coding: str) -> None:
    write_labelme(tmp_path / "b.json", [shape("rectangle", (1, 2), (3, 4))])
    (tmp_path / "b.json").write_text((tmp_path / "b.json").read_text(), coding)
    (tmp_path / "a.json").write_text('{"images": [], "annotations": []}')
    found = read_dataset(tmp_path)
    assert (found.format, found.names, found.faces) == ("labelme", ["b.jpg"], 1)
    assert found.assumed == "a.json is no file of labelme, and left out"
    (tmp_path / "package.json").write_text("{")
    assert read_dataset(tmp_path).assumed.startswith("a.json is no file of labelme and 1 more")


def test_a_file_whose_words_are_in_its_middle(tmp_path: Path) -> None:
    write_labelme(tmp_path / "a.json", [])
    shapes = [shape("rectangle", (1, 2), (3, 4))] * 2000
    write_labelme(tmp_path / "b.json", shapes, imageData="/9j/" * 50_000)
    assert [len(each.boxes_M4) for each in read_dataset(tmp_path)] == [0, 2000]


def test_a_file_whose_only_word_is_far_from_both_ends(tmp_path: Path) -> None:
    write_labelme(tmp_path / "a.json", [])
    shapes = [shape("rectangle", (1, 2), (3, 4))] * 2000
    write_labelme(tmp_path / "b.json", shapes, imageData="/9j/" * 50_000)
    content = json.loads((tmp_path / "b.json").read_text())
    (tmp_path / "b.json").write_text(json.dumps(content, sort_keys=True))
    found = read_dataset(tmp_path)
    assert [len(each.boxes_M4) for each in found] == [0, 2000]
    assert not found.assumed


@pytest.mark.parametrize("damaged", ["", "\x01", '{"sha'])
def test_a_damaged_file_beside_its_image_is_an_error(tmp_path: Path, damaged: str) -> None:
    write_labelme(tmp_path / "a.json", [])
    write_labelme(tmp_path / "b.json", [])
    (tmp_path / "b.json").write_text(damaged)
    with pytest.raises(DataError, match=r"b\.json: is not JSON"):
        read_dataset(tmp_path)

"""Data sets in the form of COCO."""

import json
from pathlib import Path
from typing import Any

import pytest
from annotated import FACES, boxes_of, coco, write_images

from nasface.annotations.formats import read_dataset
from nasface.errors import DataError


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations/instances_train.json", "images/train"),
        ("annotations/instances_train2017.json", "train2017"),
        ("train/_annotations.coco.json", "train"),
        ("annotations/instances_default.json", "images/default"),
        ("result.json", "images"),
        ("labels.json", "data"),
        ("train.json", "."),
    ],
)
def test_coco_where_tools_put_it(tmp_path: Path, annotations: str, images: str) -> None:
    write_images(tmp_path / images)
    (tmp_path / annotations).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / annotations).write_text(json.dumps(coco()))
    assert boxes_of(tmp_path) == FACES
    assert boxes_of(tmp_path / annotations) == FACES
    assert read_dataset(tmp_path).format == "coco"


def test_classes_of_coco(tmp_path: Path) -> None:
    write_images(tmp_path)
    path = tmp_path / "all.json"
    path.write_text(json.dumps(coco(["Face", "person"])))
    assert boxes_of(path) == FACES
    both = read_dataset(path, classes=["Face", "person"])
    assert both.faces == 6
    path.write_text(json.dumps(coco(["head", "person"])))
    assert boxes_of(path, classes=["head"]) == FACES
    with pytest.raises(DataError, match=r"which class is a face\? It has 'head', 'person'"):
        read_dataset(path)
    with pytest.raises(DataError, match=r"has no class 'hand'; it has 'head'"):
        read_dataset(path, classes=["hand"])


@pytest.mark.parametrize("flag", ["iscrowd", "ignore"])
def test_flags_of_coco_are_kept(tmp_path: Path, flag: str) -> None:
    write_images(tmp_path)
    content = coco()
    content["annotations"][1][flag] = 1
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = read_dataset(tmp_path / "a.json")
    assert found.faces == 2
    assert found[1].attributes[flag].tolist() == [1, 0]
    assert found[1].valid_M.tolist() == [False, True]
    assert "2 faces and 1 ignored" in repr(found)


@pytest.mark.parametrize("is_own", [True, False])
@pytest.mark.parametrize("flag", ["iscrowd", "ignore", "difficult", "invalid", "occluded"])
def test_flags_of_coco_beside_the_box_or_in_attributes(
    tmp_path: Path, flag: str, is_own: bool
) -> None:
    write_images(tmp_path)
    content = coco()
    told = content["annotations"][1]
    told |= {"iscrowd": 0, "attributes": {"rotation": 0.0}}
    (told if is_own else told["attributes"])[flag] = True
    (tmp_path / "a.json").write_text(json.dumps(content))
    (record,) = read_dataset(tmp_path / "a.json")[1:]
    assert record.attributes[flag].tolist() == [1, 0]
    assert record.valid_M.tolist() == [flag == "occluded", True]


@pytest.mark.parametrize("word", ["is_crowd", "isCrowd", "isGroupOf"])
def test_crowds_in_other_words(tmp_path: Path, word: str) -> None:
    write_images(tmp_path)
    content = coco()
    content["annotations"][1][word] = 1
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert read_dataset(tmp_path / "a.json")[1].attributes["iscrowd"].tolist() == [1, 0]


@pytest.mark.parametrize("key", ["annotations", "bbox", "image_id"])
def test_a_key_of_json_that_is_there_twice(tmp_path: Path, key: str) -> None:
    write_images(tmp_path)
    text = json.dumps(coco()).replace(f'"{key}":', f'"{key}": null, "{key}":', 1)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(
        DataError, match=rf"a\.json: is not JSON: key '{key}' occurs twice in a map"
    ):
        read_dataset(tmp_path / "a.json")


@pytest.mark.parametrize("flag", ["iscrowd", "ignore", "difficult", "invalid"])
def test_flags_of_coco_as_text(tmp_path: Path, flag: str) -> None:
    write_images(tmp_path)
    for value, says in (("0", 0), ("False", 0), ("no", 0), ("", 0), ("1", 1), ("true", 1)):
        content = coco()
        is_own = flag in ("iscrowd", "ignore")
        content["annotations"][1].update({flag: value} if is_own else {"attributes": {flag: value}})
        (tmp_path / "a.json").write_text(json.dumps(content))
        found = read_dataset(tmp_path / "a.json")
        assert found[1].attributes[flag].tolist() == [says, 0]
        assert found[1].valid_M.tolist() == [not says, True]


def without_categories(content: dict[str, Any]) -> None:
    content["categories"] = []


def without_any(content: dict[str, Any]) -> None:
    del content["categories"]
    without_category(content)


def without_category(content: dict[str, Any]) -> None:
    for each in content["annotations"]:
        del each["category_id"]


def with_floats(content: dict[str, Any]) -> None:
    """As tables write whole numbers."""
    for each in content["images"] + content["categories"]:
        each["id"] = float(each["id"])
    for each in content["annotations"]:
        each["image_id"] = float(each["image_id"])


@pytest.mark.parametrize("change", [without_categories, without_any, without_category, with_floats])
def test_coco_of_one_category(tmp_path: Path, change: Any) -> None:
    write_images(tmp_path)
    content = coco()
    change(content)
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert boxes_of(tmp_path) == FACES


def test_categories_that_no_list_names(tmp_path: Path) -> None:
    write_images(tmp_path)
    content = coco(["face", "person"])
    del content["categories"]
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"which class is a face\? It has '5', '6'"):
        read_dataset(tmp_path)
    assert boxes_of(tmp_path, classes=["5"]) == FACES


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["categories"].append(c["categories"][0]), "category 5 occurs twice"),
        (lambda c: c.pop("images"), "has no list 'images'"),
        (lambda c: c["annotations"].append(7), "has no list 'annotations' of maps"),
        (lambda c: c["images"].append(c["images"][0]), "'a.jpg' occurs twice"),
        (lambda c: c["images"][0].update(file_name="e/../a.jpg"), "is no image name"),
        (lambda c: c["images"][0].update(file_name=3), "has no file_name"),
        (lambda c: c["images"][0].update(file_name="c.jpg"), "c.jpg: image is missing, as are 1"),
        (lambda c: [i.update(file_name=f"{i['id']}.jpg") for i in c["images"]], "is not below"),
        (lambda c: c["images"][1].update(file_name="c.jpg"), "c.jpg: image is missing, as are 1"),
        (lambda c: c["images"][0].update(id=[1]), r"\[1\] is no id"),
        (lambda c: c["images"][0].update(id=1.5), r"1\.5 is no id"),
        (lambda c: c["annotations"][0].update(image_id=9), "0 is of image 9, which is not listed"),
        (lambda c: c["annotations"][0].update(category_id=1), "of category 1, which is not"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), r"bbox is \[1, 2, 3\], expected x"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3, 1e99]), "bbox is"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3, float("nan")]), "bbox is"),
        (lambda c: c.update(images=[], annotations=[]), "names no image"),
    ],
)
def test_malformed_coco(tmp_path: Path, change: Any, message: str) -> None:
    write_images(tmp_path)
    content = coco()
    change(content)
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path / "a.json")


def test_what_is_no_json(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"images": {}}', "[" * 100_000):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(DataError, match=r"a\.json: (is not JSON|has no list 'images')"):
            read_dataset(tmp_path / "a.json")


@pytest.mark.parametrize("mode", [1, "BoxMode.XYWH_ABS", 0, 4, "BoxMode.XYXY_ABS", None, [1]])
def test_boxes_in_a_mode_of_detectron2(tmp_path: Path, mode: Any) -> None:
    """Corners in the place of width and height would be read as larger boxes."""
    write_images(tmp_path)
    (tmp_path / "all.json").write_text(json.dumps(coco(bbox_mode=mode)))
    if mode in (1, "BoxMode.XYWH_ABS"):
        assert boxes_of(tmp_path) == FACES
    else:
        with pytest.raises(DataError, match=r"annotation 0: bbox_mode is .*, expected 1, x, y, w"):
            boxes_of(tmp_path)

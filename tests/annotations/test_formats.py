import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import write_tiny

import nasface
from nasface.annotations.fddb import boxes_of_ellipses
from nasface.annotations.formats import DATASET_FORMATS, read_dataset
from nasface.annotations.records import Exif
from nasface.data.check import check_records
from nasface.data.images import write_image
from nasface.errors import ConfigError, DataError
from nasface.progress import Silent

FACES = {"a.jpg": [(2.0, 3.0, 10.0, 12.5)], "deep/b.png": [(0.0, 0.0, 4.0, 4.0), (5, 6, 7, 9)]}
SIZE = (32, 48)


def write_images(folder: Path) -> None:
    for name in FACES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, np.full((*SIZE, 3), 90, np.uint8))


def coco(classes: Sequence[str] = ("face",), **flags: int) -> dict[str, Any]:
    """``FACES`` as an object of the first class each, and one of every other class beside it."""
    images = [{"id": at, "file_name": name} for at, name in enumerate(FACES)]
    annotations = [
        {
            "id": 100 * at + 10 * number + kind,
            "image_id": at,
            "category_id": kind + 5,
            "bbox": [x1 + kind, y1, x2 - x1, y2 - y1],
            **flags,
        }
        for at, boxes in enumerate(FACES.values())
        for number, (x1, y1, x2, y2) in enumerate(boxes)
        for kind in range(len(classes))
    ]
    categories = [{"id": at + 5, "name": name} for at, name in enumerate(classes)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_yolo(folder: Path, text: str = "train: images/train\nnames: [face]\n") -> None:
    write_images(folder / "images" / "train")
    (folder / "data.yaml").write_text(text)
    height, width = SIZE
    for name, boxes in FACES.items():
        path = (folder / "labels" / "train" / name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            f"0 {(a + c) / 2 / width} {(b + d) / 2 / height} {(c - a) / width} {(d - b) / height}"
            for a, b, c, d in boxes
        ]
        path.write_text("\n".join(lines) + "\n")


def boxes_of(root: Path, split: str = "train", **options: Any) -> dict[str, list[Any]]:
    found = read_dataset(root, split, **options)
    assert all(record.path.is_file() for record in found)
    return {
        record.name: [tuple(box) for box in record.boxes_M4.round(4).tolist()] for record in found
    }


def test_wider_is_recognised(tmp_path: Path) -> None:
    train = nasface.read_dataset(write_tiny(tmp_path), split="train")
    assert (train.format, train.split, train.root) == ("widerface", "train", tmp_path)
    assert len(train) == 8
    assert train.faces == 12
    assert repr(train) == (
        f"AnnotatedDataset(widerface, split train, 8 images, 12 faces, {tmp_path})"
    )
    part = train[2:4]
    assert part.names == ["0--Squares/2.jpg", "0--Squares/3.jpg"]
    assert part[0] is train[2]
    assert list(train) == [train[at] for at in range(8)]


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


def test_images_without_a_file_of_labels_are_counted(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    assert read_dataset(tmp_path).assumed == ""
    (tmp_path / "labels" / "train" / "a.txt").unlink()
    found = read_dataset(tmp_path)
    assert found.assumed == f"1 of {len(found)} images have no file of labels, and so no face"


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


@pytest.mark.parametrize("word", ["valid", "validation", "val"])
def test_val_by_any_of_its_names(tmp_path: Path, word: str) -> None:
    write_yolo(tmp_path, f"{word}: images/train\ntrain: images/none\nnames: [face]\n")
    assert boxes_of(tmp_path, "val") == FACES


def test_ellipses_of_fddb_are_boxes(tmp_path: Path) -> None:
    (tmp_path / "FDDB-folds").mkdir()
    (tmp_path / "FDDB-folds" / "FDDB-fold-02-ellipseList.txt").write_text(
        "2002/img_1\n1\n20 10 1.5707963 24 16  1\n"
    )
    write_images(tmp_path / "originalPics")
    (tmp_path / "originalPics" / "2002").mkdir()
    (tmp_path / "originalPics" / "a.jpg").rename(tmp_path / "originalPics" / "2002" / "img_1.jpg")
    found = read_dataset(tmp_path, "val")
    assert found.format == "fddb"
    np.testing.assert_allclose(found[0].boxes_M4, [[14, -4, 34, 36]], atol=1e-4)
    assert found[0].attributes["fold"].tolist() == [2]
    with pytest.raises(DataError, match="FDDB has no split 'train', expected all"):
        read_dataset(tmp_path)


def test_boxes_of_ellipses_touch_them() -> None:
    """Against the outline, point by point."""
    generator = np.random.default_rng(0)
    low, high = np.array([[5, 2, -4, 0, 0], [20, 9, 4, 50, 50]])
    ellipses = generator.uniform(low, high, (9, 5))
    t = np.linspace(0, 2 * np.pi, 20_000)
    for (major, minor, angle, x, y), box in zip(ellipses, boxes_of_ellipses(ellipses), strict=True):
        points_x = x + major * np.cos(t) * np.cos(angle) - minor * np.sin(t) * np.sin(angle)
        points_y = y + major * np.cos(t) * np.sin(angle) + minor * np.sin(t) * np.cos(angle)
        outline = [points_x.min(), points_y.min(), points_x.max(), points_y.max()]
        np.testing.assert_allclose(box, outline, atol=1e-4)


def test_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist; expected the folder of a data set"):
        read_dataset(tmp_path / "absent")
    with pytest.raises(
        DataError, match="known format; it is empty; expected one of: widerface: wider"
    ):
        read_dataset(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(
        DataError, match=r"format; it holds 'notes\.txt'; expected one of: .* voc: A"
    ):
        read_dataset(tmp_path)
    with pytest.raises(DataError, match=r"notes\.txt: is in no known format"):
        read_dataset(tmp_path / "notes.txt")
    with pytest.raises(ConfigError, match="unknown data format 'vod'; expected one of widerface"):
        read_dataset(tmp_path, format="vod")
    write_tiny(tmp_path)
    with pytest.raises(ConfigError, match="classes: widerface has faces only"):
        read_dataset(tmp_path, classes=["face"])
    (tmp_path / "nothing").mkdir()
    for name in DATASET_FORMATS:
        with pytest.raises(DataError, match="nothing"):
            read_dataset(tmp_path / "nothing", "val", name)


@pytest.mark.parametrize(
    ("form", "folders"),
    [
        ("yolo", ("images/train/0--Squares", "labels/train/0--Squares")),
        ("yolo", ("images", "labels/train")),
        ("voc", ("Annotations/0--Squares", "JPEGImages/0--Squares")),
        ("voc", ("Annotations",)),
        ("coco", ("train/0--Squares",)),
        ("widerface", ("WIDER_train/images/0--Squares",)),
    ],
)
def test_folders_may_be_links(form: str, folders: Sequence[str], tmp_path: Path) -> None:
    write_tiny(tmp_path / "wider", train=3)
    root = tmp_path / "data"
    nasface.convert(tmp_path / "wider", form, root)
    for way in ("settings", "none"):
        if way == "none" and form == "yolo":
            (root / "data.yaml").unlink()
        if way == "none" and form == "voc":
            (root / "ImageSets").rename(tmp_path / "lists")
        before = {each.name: each.boxes_M4.tolist() for each in read_dataset(root, "train")}
        for at, folder in enumerate(folders):
            place = root / folder
            if not place.is_symlink() and place.is_dir():
                place.rename(tmp_path / f"moved-{at}")
                place.symlink_to(tmp_path / f"moved-{at}")
        after = {each.name: each.boxes_M4.tolist() for each in read_dataset(root, "train")}
        assert after == before
        assert len(before) >= 3


def test_suffixes_in_capitals(tmp_path: Path) -> None:
    write_tiny(tmp_path / "wider", train=2)
    for form, suffix in (("yolo", ".txt"), ("voc", ".xml")):
        root = tmp_path / form
        nasface.convert(tmp_path / "wider", form, root)
        before = [each.boxes_M4.tolist() for each in read_dataset(root, "train")]
        for folder in ("labels", "Annotations"):
            for path in list((root / folder).rglob(f"*{suffix}")):
                path.rename(path.with_suffix(suffix.upper()))
        assert [each.boxes_M4.tolist() for each in read_dataset(root, "train")] == before
        assert all(before)
    (tmp_path / "voc" / "ImageSets" / "Main").rename(tmp_path / "lists")
    assert sorted(len(each.boxes_M4) for each in read_dataset(tmp_path / "voc", "train"))[-1] > 0


def test_sizes_that_files_state(tmp_path: Path) -> None:
    """As they are written, whatever the images have."""
    xml = (
        "<annotation><size><width>640</width><height>480</height></size><object><name>face</name>"
        "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object>"
        "</annotation>"
    )
    images = [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}]
    boxes = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 2, 2]}]
    coco = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "face"}]}
    for at, (name, text, stated) in enumerate(
        [
            ("a.xml", xml, (480, 640)),
            ("a.xml", xml.replace("640", "0"), None),
            ("a.xml", xml.replace("640", "unknown"), None),
            ("f.json", json.dumps(coco), (480, 640)),
            ("f.json", json.dumps({**coco, "images": [{"id": 1, "file_name": "a.jpg"}]}), None),
            (
                "f.csv",
                "filename,width,height,xmin,ymin,xmax,ymax\na.jpg,640,480,1,2,3,4\n",
                (480, 640),
            ),
            ("f.csv", 'image_id,width,height,bbox\na.jpg,640,480,"[1, 2, 2, 2]"\n', (480, 640)),
            (
                "f.csv",
                "image,x,y,w,h,image_width,image_height\na.jpg,1,2,2,2,640,480\n",
                (480, 640),
            ),
            ("f.csv", "image,x,y,width,height\na.jpg,1,2,2,2\n", None),
            ("labelv2.txt", "# a.jpg 640 480\n1 2 3 4\n", (480, 640)),
            ("labelv2.txt", "# a.jpg 0 0\n1 2 3 4\n", None),
            ("label.txt", "# a.jpg\n1 2 2 2\n", None),
        ]
    ):
        folder = tmp_path / str(at)
        folder.mkdir()
        write_image(folder / "a.jpg", np.zeros((24, 32, 3), np.uint8))
        (folder / name).write_text(text)
        (record,) = read_dataset(folder)
        assert record.stated_size == stated
        assert record.boxes_M4.tolist() == [[1, 2, 3, 4]]


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    with pytest.raises(DataError, match=r"wider_face_tset_bbx.*; splits there: train, val$"):
        read_dataset(tmp_path, "tset")
    (tmp_path / "WIDER_val").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError) as problem:
        read_dataset(tmp_path, "val")
    assert "splits there" not in str(problem.value)


@pytest.mark.parametrize("case", ["title", "upper"])
@pytest.mark.parametrize("form", ["yolo", "no settings", "voc", "retinaface", "coco"])
def test_folders_and_keys_in_capitals(form: str, case: str, tmp_path: Path) -> None:
    """As people write them on systems that do not tell the case of letters apart."""
    write_tiny(tmp_path / "wider", train=3)
    root = tmp_path / "data"
    nasface.convert(tmp_path / "wider", form if form != "no settings" else "yolo", root)
    parts = ("train", "val")
    before = {each: [one.boxes_M4.tolist() for one in read_dataset(root, each)] for each in parts}
    change = getattr(str, case)
    if form == "no settings":
        (root / "data.yaml").unlink()
    elif form == "yolo":
        text = (root / "data.yaml").read_text()
        for key in ("path", *parts, "names"):
            text = text.replace(f"{key}:", f"{change(key)}:")
        (root / "data.yaml").write_text(text)
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir() and path.name != "0--Squares":
            path.rename(path.with_name(change(path.name)))
    for part in parts:
        found = read_dataset(root, part)
        assert found.format == ("yolo" if form == "no settings" else form)
        assert [one.boxes_M4.tolist() for one in found] == before[part]
        assert found.faces


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


def test_folders_that_only_case_tells_apart(tmp_path: Path) -> None:
    """That of the exact name is taken; of two others, neither."""
    write_yolo(tmp_path)
    (tmp_path / "Images" / "train").mkdir(parents=True)
    (tmp_path / "Labels" / "train").mkdir(parents=True)
    (tmp_path / "data.yaml").unlink()
    assert boxes_of(tmp_path) == FACES
    (tmp_path / "images").rename(tmp_path / "IMAGES")
    with pytest.raises(DataError, match="is in no known format"):
        read_dataset(tmp_path)


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


def test_a_folder_above_that_of_the_data_names_it(tmp_path: Path) -> None:
    write_yolo(tmp_path / "archive")
    with pytest.raises(DataError, match=r"; .*archive is one in the form yolo, name that; expect"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("row", ["0.7 .5 .5 .1 .1", ".5 .5 .1 .1 .9", "nan .5 .5 .1 .1"])
def test_a_class_that_is_no_whole_number(tmp_path: Path, row: str) -> None:
    """It was cut to 0, and rows without a class were read one number off."""
    write_yolo(tmp_path)
    (tmp_path / "labels" / "train" / "a.txt").write_text(row + "\n")
    with pytest.raises(DataError, match=r"a\.txt:1: .* is no label, expected a class and x y"):
        read_dataset(tmp_path)


def test_two_names_of_one_image(tmp_path: Path) -> None:
    """Each had its own faces, and those of the other were mistakes."""
    write_image(tmp_path / "a.jpg", np.zeros((24, 32, 3), np.uint8))
    header = "filename,xmin,ymin,xmax,ymax\n"
    (tmp_path / "faces.csv").write_text(header + "a,1,2,3,4\na.jpg,5,6,7,8\n")
    with pytest.raises(DataError, match=r"faces\.csv: 'a' and 'a\.jpg' are the same image, a\.jpg"):
        read_dataset(tmp_path)
    (tmp_path / "faces.csv").write_text(header + "./a.jpg,1,2,3,4\na.jpg,5,6,7,8\n")
    (record,) = read_dataset(tmp_path)
    assert record.boxes_M4.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_names_of_widerface_that_differ_in_case(tmp_path: Path) -> None:
    root = write_tiny(tmp_path)
    listing = root / "wider_face_split" / "wider_face_train_bbx_gt.txt"
    text = listing.read_text().replace("0--Squares/1.jpg", "0--Squares/X.jpg")
    listing.write_text(text.replace("0--Squares/2.jpg", "0--Squares/x.JPG"))
    folder = root / "WIDER_train" / "images" / "0--Squares"
    (folder / "1.jpg").rename(folder / "x.jpg")
    with pytest.raises(DataError, match=r"X\.jpg' and '0--Squares/x\.JPG' are the same image"):
        read_dataset(root)

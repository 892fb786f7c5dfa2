"""What holds of data sets in all forms."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from annotated import FACES, boxes_of, write_images, write_yolo
from tiny import write_tiny

import nasface
from nasface.annotations.fddb import boxes_of_ellipses
from nasface.annotations.formats import DATASET_FORMATS, read_dataset
from nasface.data.images import write_image
from nasface.errors import ConfigError, DataError


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


def test_a_folder_above_that_of_the_data_names_it(tmp_path: Path) -> None:
    write_yolo(tmp_path / "archive")
    with pytest.raises(DataError, match=r"; .*archive is one in the form yolo, name that; expect"):
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

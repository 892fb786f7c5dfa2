"""What annotation tools write in the form of Pascal VOC, each with its own folders and habits."""

from collections.abc import Callable
from pathlib import Path

import pytest
from faces_of_tools import EMPTY, FACES, check_read, images, write

from nasface.annotations.formats import read_dataset

Writer = Callable[[Path], None]


def voc(folder: Path, before: str, after: str, form: str = "d", shift: float = 0) -> None:
    for name in (*FACES, EMPTY):
        objects = ""
        for x, y, w, h in FACES.get(name, []):
            bounds = {"xmin": x, "ymin": y, "xmax": x + w, "ymax": y + h}
            tags = "".join(f"<{key}>{value:{form}}</{key}>" for key, value in bounds.items())
            objects += f"<object>{before}<bndbox>{tags}</bndbox>{after}</object>"
        objects += "<object><name>hand</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax>"
        objects += "<ymax>3</ymax></bndbox></object>"
        text = f"<annotation><folder>x</folder><filename>{name}</filename>{objects}</annotation>"
        write(folder / name.replace(".jpg", ".xml"), text)


def label_img_voc(root: Path) -> None:
    """Beside the images; the name of the image is that of the file."""
    images(root)
    voc(root, "<name>face</name><truncated>0</truncated><difficult>0</difficult>", "", "g")


def cvat_voc(root: Path) -> None:
    images(root / "JPEGImages")
    more = "<attributes><attribute><name>rotation</name><value>0.0</value></attribute></attributes>"
    voc(root / "Annotations", "<name>face</name><occluded>1</occluded>", more, ".2f")
    write(root / "ImageSets" / "Main" / "default.txt", "a\nb\nnone\n")
    write(root / "labelmap.txt", "# label:color_rgb:parts:actions\nface:0,0,0::\n")


def roboflow_voc(root: Path) -> None:
    images(root / "train")
    voc(root / "train", "<name>face</name><pose>Unspecified</pose>", "<polygon/>", "g")


def supervision_voc(root: Path) -> None:
    """A folder of images and one of annotations in that of each part."""
    images(root / "train" / "images")
    voc(root / "train" / "Annotations", "<name>face</name>", "", "g")


def devkit_voc(root: Path) -> None:
    images(root / "JPEGImages")
    voc(root / "Annotations", "<name>Face</name>", "<part><name>nose</name></part>", "g")
    write(root / "ImageSets" / "Main" / "train.txt", "a  1\nb -1\nnone\n")
    write(root / "Annotations" / "other.xml", "<annotation/>")


def trainval_voc(root: Path) -> None:
    """Another suffix than the files tell, in capitals; one list of what is trained on."""
    images(root / "JPEGImages", lambda name: name.replace(".jpg", ".PNG"))
    voc(root / "Annotations", "<name>face</name>", "", "g")
    write(root / "ImageSets" / "Main" / "trainval.txt", "a\nb\nnone\n")
    write(root / "ImageSets" / "Main" / "test.txt", "none\n")


@pytest.mark.parametrize(
    "writer",
    [
        label_img_voc,
        cvat_voc,
        roboflow_voc,
        supervision_voc,
        devkit_voc,
        trainval_voc,
    ],
)
def test_what_tools_write(tmp_path: Path, writer: Writer) -> None:
    writer(tmp_path)
    check_read(tmp_path, "voc")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("difficult", False), ("occluded", True), ("truncated", True)],
)
def test_flags_of_voc(tmp_path: Path, name: str, wanted: bool) -> None:
    images(tmp_path)
    for text, is_set in (("1", True), ("Unspecified", False), (" 0 ", False), ("", False)):
        voc(tmp_path, f"<name>face</name><{name}>{text}</{name}>", "", "g")
        found = read_dataset(tmp_path)
        record = next(each for each in found if each.name == "a.jpg")
        assert record.attributes[name].tolist() == [is_set]
        assert record.valid_M.tolist() == [wanted or not is_set]


def test_classes(tmp_path: Path) -> None:
    images(tmp_path)
    voc(tmp_path, "<name>head</name>", "", "g")
    assert read_dataset(tmp_path, classes=["head"]).faces == 3
    assert read_dataset(tmp_path, classes=["head", "hand"]).faces == 6

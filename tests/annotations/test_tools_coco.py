"""What annotation tools write in the form of COCO, each with its own folders and habits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faces_of_tools import EMPTY, FACES, check_read, images, write

from nasface.annotations.formats import read_dataset

Writer = Callable[[Path], None]


def coco(path: Path, category: Any, names: Callable[[str], str] = str, **more: Any) -> None:
    """Annotations with what all tools write, and ``more`` keys that some do."""
    rows = [(at, box) for at, boxes in enumerate(FACES.values()) for box in boxes]
    content = {
        "images": [{"id": at, "file_name": names(name)} for at, name in enumerate((*FACES, EMPTY))],
        "annotations": [
            {"id": at, "image_id": image, "category_id": 1, "bbox": list(box), **more}
            for at, (image, box) in enumerate(rows)
        ],
        "categories": category,
    }
    write(path, json.dumps(content))


def cvat_coco(root: Path) -> None:
    images(root / "images" / "default")
    attributes = {"occluded": True, "rotation": 0.0}
    category = [{"id": 1, "name": "face", "supercategory": ""}]
    path = root / "annotations" / "instances_default.json"
    coco(path, category, segmentation=[], iscrowd=0, area=80.0, attributes=attributes)


def label_studio_coco(root: Path) -> None:
    images(root / "images", lambda name: f"1f2e-{name}")
    category = [{"id": 1, "name": "Face"}, {"id": 0, "name": "Other"}]
    coco(root / "result.json", category, "images\\1f2e-".__add__, ignore=0, iscrowd=0)


def roboflow_coco(root: Path) -> None:
    def names(name: str) -> str:
        return name.replace(".jpg", "_jpg.rf.0f3.jpg")

    images(root / "train", names)
    category = [
        {"id": 0, "name": "people", "supercategory": "none"},
        {"id": 1, "name": "head", "supercategory": "people"},
    ]
    coco(root / "train" / "_annotations.coco.json", category, names, segmentation=[], iscrowd=0)


def fiftyone_coco(root: Path) -> None:
    images(root / "data")
    coco(root / "labels.json", [{"id": 1, "name": "face", "supercategory": None}])


def labelme_coco(root: Path) -> None:
    """Paths from the folder in which the tool was run."""
    images(root / "train")
    category = [{"id": 1, "name": "face", "supercategory": "face"}]
    coco(root / "train.json", category, "work/faces/train/".__add__, segmentation=[], iscrowd=0)


def polygons_coco(root: Path) -> None:
    """Polygons in the place of boxes, below a name that no tool is known by."""
    images(root)
    path = root / "my_faces.json"
    coco(path, [{"id": 1, "name": "face"}])
    content = json.loads(path.read_text())
    for each in content["annotations"]:
        x, y, w, h = each.pop("bbox")
        each["segmentation"] = [[x, y + h / 2, x + w, y, x + w / 2, y + h]]
    path.write_text(json.dumps(content))


def via_coco(root: Path) -> None:
    """Numbers of images and classes are texts in the annotations."""
    images(root)
    path = root / "via_project_coco.json"
    coco(path, [{"id": 1, "name": "face", "supercategory": "type"}], segmentation=[])
    content = json.loads(path.read_text())
    for each in content["annotations"]:
        each.update(image_id=str(each["image_id"]), category_id=str(each["category_id"]))
    path.write_text(json.dumps(content))


def label_studio_server_coco(root: Path) -> None:
    """Paths on the server, from the folder of the export."""
    images(root / "images", lambda name: f"1f2e-{name}")
    place = "../../label-studio/data/media/upload/1/1f2e-"
    coco(root / "result.json", [{"id": 1, "name": "face"}], place.__add__)


def two_file_coco(root: Path) -> None:
    """The names of files tell the parts, the folder of images has one of its own."""
    images(root / "photographs")
    for part in ("train", "val"):
        coco(root / "annotations" / f"{part}_faces.json", [{"id": 1, "name": "face"}])


def windows_coco(root: Path) -> None:
    """Names and files differ in the case of their letters."""
    images(root, lambda name: name.replace(".jpg", ".JPG"))
    coco(root / "faces.json", [{"id": 1, "name": "face"}])


@pytest.mark.parametrize(
    "writer",
    [
        cvat_coco,
        label_studio_coco,
        roboflow_coco,
        fiftyone_coco,
        labelme_coco,
        polygons_coco,
        via_coco,
        label_studio_server_coco,
        two_file_coco,
        windows_coco,
    ],
)
def test_what_tools_write(tmp_path: Path, writer: Writer) -> None:
    writer(tmp_path)
    check_read(tmp_path, "coco")


def test_absolute_paths(tmp_path: Path) -> None:
    """Below the folder they are names; of another machine only the last part is one."""
    images(tmp_path / "images" / "deep")
    coco(tmp_path / "a.json", [{"id": 1, "name": "face"}], lambda n: f"{tmp_path}/images/deep/{n}")
    assert read_dataset(tmp_path / "a.json").names[0] == "images/deep/a.jpg"
    images(tmp_path / "images")
    for place in ("C:\\data\\faces\\", "/home/me/", "file:///srv/", "https://host/x/"):
        coco(tmp_path / "a.json", [{"id": 1, "name": "face"}], place.__add__)
        assert read_dataset(tmp_path / "a.json").names[0] == "a.jpg"

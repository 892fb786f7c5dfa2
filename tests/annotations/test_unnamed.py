"""Images that no annotations name: every form says how many are left out."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nasface.annotations.formats import read_dataset
from nasface.data.images import write_image

KITTI = "face 0 0 0 1 2 3 4 0 0 0 0 0 0 0"
LABELME = {"shapes": [], "imagePath": "a.jpg"}
VOC = "<annotation><filename>{}.jpg</filename></annotation>"
CELEBA = "1\nimage_id x_1 y_1 width height\na.jpg 1 2 3 4\n"


def images(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_image(folder / name, np.zeros((32, 48, 3), np.uint8))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def coco(root: Path) -> Path:
    images = [{"id": 1, "file_name": "a.jpg"}]
    categories = [{"id": 1, "name": "face"}]
    write(
        root / "f.json",
        json.dumps({"images": images, "annotations": [], "categories": categories}),
    )
    return root


def voc(root: Path) -> Path:
    write(root / "Annotations" / "a.xml", VOC.format("a"))
    return root / "JPEGImages"


def labelme(root: Path) -> Path:
    write(root / "a.json", json.dumps(LABELME))
    return root


def kitti(root: Path) -> Path:
    write(root / "labels" / "a.txt", KITTI)
    return root / "images"


def csv(root: Path) -> Path:
    write(root / "f.csv", "filename,xmin,ymin,xmax,ymax\na.jpg,1,2,3,4\n")
    return root


def retinaface(root: Path) -> Path:
    write(root / "label.txt", "# a.jpg\n1 2 3 4\n")
    return root / "images"


def celeba(root: Path) -> Path:
    write(root / "list_bbox_celeba.txt", CELEBA)
    return root / "img_celeba"


def widerface(root: Path) -> Path:
    row = "1 2 3 4 0 0 0 0 0 0"
    write(root / "wider_face_split" / "wider_face_train_bbx_gt.txt", f"a.jpg\n1\n{row}\n")
    return root / "WIDER_train" / "images"


@pytest.mark.parametrize("writer", [coco, voc, labelme, kitti, csv, retinaface, celeba, widerface])
def test_images_without_annotations_are_counted(
    tmp_path: Path, writer: Callable[[Path], Path]
) -> None:
    folder = writer(tmp_path)
    images(folder, "a.jpg")
    found = read_dataset(tmp_path)
    assert (found.format, found.names, found.assumed) == (writer.__name__, ["a.jpg"], "")
    images(folder, "c.PNG", "b.jpg", ".d.jpg")
    write(folder / "notes.md", "")
    left_out = "2 images have no annotations in the folders that are read, and so left out"
    found = read_dataset(tmp_path)
    assert found.names == ["a.jpg"]
    assert found.assumed == f"{left_out} ('b.jpg', ...)"


def test_images_of_another_part_are_annotated(tmp_path: Path) -> None:
    voc(tmp_path)
    write(tmp_path / "Annotations" / "b.xml", VOC.format("b"))
    images(tmp_path / "JPEGImages", "a.jpg", "b.jpg")
    for split, name in (("train", "a"), ("val", "b")):
        write(tmp_path / "ImageSets" / "Main" / f"{split}.txt", f"{name}\n")
    assert read_dataset(tmp_path, "train").assumed == ""
    assert read_dataset(tmp_path, "val").assumed == ""
    images(tmp_path / "JPEGImages", "c.jpg")
    for split in ("train", "val"):
        assert read_dataset(tmp_path, split).assumed.startswith("1 image has no annotations")


def test_a_divided_data_set_counts_them_once(tmp_path: Path) -> None:
    csv(tmp_path)
    write(tmp_path / "f.csv", "filename,xmin,ymin,xmax,ymax\na.jpg,1,2,3,4\nb.jpg,,,,\n")
    images(tmp_path, "a.jpg", "b.jpg")
    assert read_dataset(tmp_path, "val", val_fraction=0.5).assumed == ""
    images(tmp_path, "c.jpg")
    found = read_dataset(tmp_path, "val", val_fraction=0.5)
    assert len(found) == 1
    assert found.assumed.endswith("left out ('c.jpg')")


def test_images_in_folders_that_cannot_be(tmp_path: Path) -> None:
    place = f"{'x' * 300}/a.jpg"
    write(tmp_path / "f.csv", f"filename,xmin,ymin,xmax,ymax\n{place},1,2,3,4\nb.jpg,1,2,3,4\n")
    images(tmp_path, "b.jpg", "c.jpg")
    found = read_dataset(tmp_path, need_images=False)
    assert found.assumed.startswith("1 image has no annotations")

"""What annotation tools write in the form of YOLO, each with its own folders and habits."""

from collections.abc import Callable
from pathlib import Path

import pytest
from faces_of_tools import EMPTY, FACES, HEIGHT, WIDTH, check_read, images, write

Writer = Callable[[Path], None]


def labels(folder: Path, rename: Callable[[str], str] = str, end: str = "\n") -> None:
    for name, boxes in FACES.items():
        rows = [
            f"0 {(x + w / 2) / WIDTH} {(y + h / 2) / HEIGHT} {w / WIDTH} {h / HEIGHT}"
            for x, y, w, h in boxes
        ]
        write(folder / rename(name).replace(".jpg", ".txt"), end.join(rows))
    write(folder / rename(EMPTY).replace(".jpg", ".txt"), "")


def ultralytics_yolo(root: Path) -> None:
    """The path of the data is below a folder of its own, elsewhere."""
    images(root / "images" / "train")
    labels(root / "labels" / "train")
    text = "path: ../datasets/faces # root\ntrain: images/train\nval: images/val\ntest:\n"
    write(root / "data.yaml", text + "names:\n  0: face\n")


def roboflow_yolo(root: Path) -> None:
    images(root / "train" / "images")
    labels(root / "train" / "labels")
    text = "train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['head']\n"
    write(root / "data.yaml", text)


def colab_yolo(root: Path) -> None:
    """Absolute paths of another machine."""
    images(root / "train" / "images")
    labels(root / "train" / "labels", end="\r\n")
    text = "train: /content/Faces-1/train/images\nval: /content/Faces-1/valid/images\n"
    write(root / "data.yaml", text + "names: [face, hand]\n")


def label_studio_yolo(root: Path) -> None:
    images(root / "images", lambda name: f"1f2e-{name}")
    labels(root / "labels", lambda name: f"1f2e-{name}")
    write(root / "classes.txt", "Face\nOther\n")
    write(root / "notes.json", '{"categories": []}')


def cvat_yolo(root: Path) -> None:
    images(root / "obj_train_data")
    labels(root / "obj_train_data")
    write(root / "obj.names", "face\n")
    write(root / "obj.data", "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\n")
    names = (*FACES, EMPTY)
    write(root / "train.txt", "".join(f"data/obj_train_data/{name}\n" for name in names))


def no_settings_yolo(root: Path) -> None:
    """Images and labels only, as in sets of one class."""
    images(root / "images" / "train")
    labels(root / "labels" / "train")


def own_name_yolo(root: Path) -> None:
    """Settings of another name, whose classes are numbered by texts."""
    images(root / "images" / "train")
    labels(root / "labels" / "train")
    text = "path: .\ntrain: images/train\nval: images/train\nnames: {'0': face}\n"
    write(root / "widerface.yaml", text)


def label_img_yolo(root: Path) -> None:
    """Images, labels and classes in one folder."""
    images(root)
    labels(root)
    write(root / "classes.txt", "face\n")


def label_img_folders_yolo(root: Path) -> None:
    """Labels and classes in a folder of their own."""
    images(root / "images")
    labels(root / "labels")
    write(root / "labels" / "classes.txt", "face\n")


def makesense_yolo(root: Path) -> None:
    """Images and labels in one folder, and no file of classes."""
    images(root)
    labels(root)


def roboflow_darknet(root: Path) -> None:
    """The same in the folder of a part, whose classes stand in a file of their own."""
    images(root / "train")
    labels(root / "train")
    write(root / "train" / "_darknet.labels", "face\nother\n")


def add_points(folder: Path, points: str) -> None:
    for path in folder.glob("*.txt"):
        rows = path.read_text().splitlines()
        path.write_text("".join(f"{row} {points}\n" for row in rows))


def yolov5_face(root: Path) -> None:
    """Five points behind each box, -1 where they are not known, and no word of them."""
    images(root / "train" / "images")
    labels(root / "train" / "labels")
    add_points(root / "train" / "labels", " ".join(["-1.0"] * 10))
    write(root / "data.yaml", "train: ../train/images\nnc: 1\nnames: ['face']\n")


def yolov7_face(root: Path) -> None:
    """Five points, each with a number that tells whether it is seen."""
    images(root / "train" / "images")
    labels(root / "train" / "labels")
    add_points(root / "train" / "labels", " ".join(["0.1 0.2 2.0"] * 5))
    write(root / "data.yaml", "train: ../train/images\nnc: 1\nnames: ['face']\n")


@pytest.mark.parametrize(
    "writer",
    [
        ultralytics_yolo,
        roboflow_yolo,
        colab_yolo,
        label_studio_yolo,
        cvat_yolo,
        no_settings_yolo,
        own_name_yolo,
        label_img_yolo,
        label_img_folders_yolo,
        yolov5_face,
        yolov7_face,
        makesense_yolo,
        roboflow_darknet,
    ],
)
def test_what_tools_write(tmp_path: Path, writer: Writer) -> None:
    writer(tmp_path)
    check_read(tmp_path, "yolo")

"""What annotation tools write in the forms of KITTI, labelme and RetinaFace."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faces_of_tools import EMPTY, FACES, HEIGHT, WIDTH, check_read, images, write

Writer = Callable[[Path], None]


def retinaface(path: Path, tail: str) -> None:
    lines = []
    for name in (*FACES, EMPTY):
        lines += [f"# {name}", *(" ".join(map(str, box)) + tail for box in FACES.get(name, []))]
    write(path, "\n".join(lines))


def official_retinaface(root: Path) -> None:
    images(root / "train" / "images")
    retinaface(root / "train" / "label.txt", " 4.1 5.0 0.0" * 5 + " 0.82")


def no_points_retinaface(root: Path) -> None:
    images(root / "train" / "images")
    retinaface(root / "train" / "label.txt", "")


def one_file_retinaface(root: Path) -> None:
    images(root / "images")
    retinaface(root / "label.txt", " -1 -1 -1" * 5 + " -1")


def scrfd(root: Path) -> None:
    """The size of the image behind its name, and corners in the place of sides."""
    images(root / "train" / "images")
    lines = []
    for name in (*FACES, EMPTY):
        boxes = [f"{x} {y} {x + w} {y + h}" for x, y, w, h in FACES.get(name, [])]
        lines += [f"# {name} {WIDTH} {HEIGHT}", *(box + " 4.1 5.0 0.0" * 5 for box in boxes)]
    write(root / "train" / "labelv2.txt", "\n".join(lines))


def kitti_labels(folder: Path) -> None:
    for name in (*FACES, EMPTY):
        rows = [
            f"face 0.00 0 0.00 {x:.2f} {y:.2f} {x + w:.2f} {y + h:.2f} 0 0 0 0 0 0 0"
            for x, y, w, h in FACES.get(name, ())
        ]
        write(folder / f"{name.removesuffix('.jpg')}.txt", "".join(f"{row}\n" for row in rows))


def object_benchmark_kitti(root: Path) -> None:
    images(root / "training" / "image_2", lambda name: name.replace(".jpg", ".png"))
    kitti_labels(root / "training" / "label_2")


def tao_kitti(root: Path) -> None:
    images(root / "images")
    kitti_labels(root / "labels")


def digits_kitti(root: Path) -> None:
    images(root / "train" / "images")
    kitti_labels(root / "train" / "labels")


def labelme_shapes(folder: Path, place: str, box: Callable[..., Any], **more: Any) -> None:
    for name in (*FACES, EMPTY):
        shapes = [
            {"label": "face", "flags": {}, "group_id": None, **box(*each)}
            for each in FACES.get(name, ())
        ]
        content = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": f"{place}{name}",
            "imageHeight": HEIGHT,
            "imageWidth": WIDTH,
        }
        write(folder / name.replace(".jpg", ".json"), json.dumps({**content, **more}))


def from_the_lower_right(x: float, y: float, w: float, h: float) -> dict[str, Any]:
    return {"shape_type": "rectangle", "points": [[x + w, y + h], [x, y]]}


def four_corners(x: float, y: float, w: float, h: float) -> dict[str, Any]:
    points = [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
    return {"shape_type": "rectangle", "points": points, "difficult": False}


def labelme_folder(root: Path) -> None:
    images(root)
    labelme_shapes(root, "", from_the_lower_right, imageData="/9j/" * 50_000)


def labelme_windows(root: Path) -> None:
    images(root / "images")
    labelme_shapes(root / "annotations", "..\\images\\", from_the_lower_right, imageData=None)


def any_labeling_parts(root: Path) -> None:
    images(root / "train")
    labelme_shapes(root / "train", "", four_corners, imageData=None)


def another_machines_labelme(root: Path) -> None:
    images(root)
    labelme_shapes(root, "C:\\data\\faces\\", four_corners, imageData=None)


@pytest.mark.parametrize(
    ("form", "writer"),
    [
        ("kitti", object_benchmark_kitti),
        ("kitti", tao_kitti),
        ("kitti", digits_kitti),
        ("labelme", labelme_folder),
        ("labelme", labelme_windows),
        ("labelme", any_labeling_parts),
        ("labelme", another_machines_labelme),
        ("retinaface", official_retinaface),
        ("retinaface", no_points_retinaface),
        ("retinaface", one_file_retinaface),
        ("retinaface", scrfd),
    ],
)
def test_what_tools_write(tmp_path: Path, form: str, writer: Writer) -> None:
    writer(tmp_path)
    check_read(tmp_path, form)

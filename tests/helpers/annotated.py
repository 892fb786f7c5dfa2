"""Two annotated images, in the forms of COCO and YOLO."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasface.annotations.formats import read_dataset
from nasface.data.images import write_image

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

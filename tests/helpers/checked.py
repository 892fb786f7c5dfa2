"""Images with faces to check, and what a check finds."""

from pathlib import Path

import numpy as np
from PIL import Image

from nasface.annotations.records import ImageRecord
from nasface.annotations.widerface import ATTRIBUTES
from nasface.data.check import (
    DataCheck,
)

Row = tuple[float, float, float, float]


STORED, SHOWN, BOTH = (90.0, 10.0, 25.0, 20.0), (10.0, 90.0, 20.0, 25.0), (10.0, 10.0, 20.0, 20.0)


def record(path: Path, rows: list[Row], invalid: bool = False, exif: str = "ignore") -> ImageRecord:
    """An image with faces x y w h."""
    boxes = np.array(rows, np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    attributes = {key: np.zeros(len(rows), np.int64) for key in ATTRIBUTES}
    attributes["invalid"] += invalid
    return ImageRecord(path.name, path, boxes, attributes, "apply" if exif == "apply" else "ignore")


def write(path: Path, width: int = 120, height: int = 80, orientation: int = 1) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    colour = np.random.default_rng(len(path.name)).integers(0, 256, 3).tolist()
    Image.new("RGB", (width, height), tuple(colour)).save(path, exif=exif)
    return path


def kinds(check: DataCheck) -> dict[str, tuple[bool, int]]:
    return {each.kind: (each.is_problem, each.count) for each in check.findings}

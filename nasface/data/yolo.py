"""Data sets in the text form of YOLO (Ultralytics): ``data.yaml``, ``images/`` and ``labels/``.

A label file has a row per object: its class, then ``x y width height`` of the box with the centre
at x, y, or the points of a polygon or turned box, in shares of the image as it is shown (turned by
its EXIF orientation).
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasface.data.classes import faces_among, split_names
from nasface.data.image_size import image_size
from nasface.data.names import check_image_name, has_image_suffix, without_suffix
from nasface.data.records import ImageRecord
from nasface.errors import DataError
from nasface.io.files import read_text
from nasface.io.yaml import parse_yaml

_BOX = 5
"""Numbers in a row of a box, the class included."""


def is_yolo(root: Path) -> bool:
    """Whether a path is a ``.yaml`` file with class names and a split, or a folder of one."""
    file = _settings_file(root)
    if file is None:
        return False
    try:
        values = parse_yaml(read_text(file, DataError, "settings"), str(file), DataError)
    except DataError:
        return False
    return isinstance(values, dict) and "names" in values and ("train" in values or "val" in values)


def read_yolo(
    root: Path, split: str, classes: Sequence[str] = (), *, need_images: bool = True
) -> list[ImageRecord]:
    """Read a split of the ``data.yaml`` that ``root`` is or holds.

    An image without a label file has no face. Images are read as they are shown; their size is
    needed, so that they must be there, whatever ``need_images`` says.

    Raises:
        DataError: naming file and line.
    """
    file = _settings_file(root)
    if file is None:
        raise DataError(f"{root}: has no data.yaml")
    values = parse_yaml(read_text(file, DataError, "settings"), str(file), DataError)
    if not isinstance(values, dict) or "names" not in values:
        raise DataError(f"{file}: has no 'names' of classes")
    faces = faces_among(_classes(values["names"], file), classes, str(file))
    place = next((values[word] for word in split_names(split) if values.get(word)), None)
    if place is None:
        raise DataError(f"{file}: has no split {split!r}; expected a folder of images under it")
    has_points = "kpt_shape" in values
    base = file.parent / str(values.get("path") or "")
    places = place if isinstance(place, list) else [place]
    images = [pair for each in places for pair in _images(file, base, str(each))]
    if not images:
        raise DataError(f"{file}: split {split!r} holds no image")
    records = {}
    for name, path in images:
        check_image_name(name, str(file))
        if name in records:
            raise DataError(f"{file}: image {name!r} occurs twice, expected each once")
        boxes = _labels(_label_file(path), faces, has_points)
        records[name] = ImageRecord(name, path, _in_pixels(boxes, path), {}, "apply")
    return list(records.values())


def _settings_file(root: Path) -> Path | None:
    if root.is_file():
        return root if root.suffix.lower() in (".yaml", ".yml") else None
    usual = [root / "data.yaml", root / "data.yml", root / "dataset.yaml"]
    return next((path for path in usual if path.is_file()), None)


def _classes(names: Any, file: Path) -> dict[int, str]:
    found = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(found, dict) or not all(isinstance(key, int) for key in found):
        raise DataError(f"{file}: 'names' is no list of classes, and no map from their numbers")
    return {key: str(name) for key, name in found.items()}


def _images(file: Path, base: Path, place: str) -> Iterator[tuple[str, Path]]:
    """Name and path of the images of a folder, or of those that a text file lists."""
    tried = [base / place, file.parent / place]
    # Roboflow writes ../train/images for the folder beside data.yaml.
    while place.startswith("../"):
        place = place.removeprefix("../")
        tried.append(file.parent / place)
    path = next((each for each in tried if each.exists()), None)
    if path is None:
        raise DataError(f"{tried[0]}: does not exist, expected the images that {file} names")
    if path.is_dir():
        for each in sorted(path.rglob("*")):
            if has_image_suffix(each.name) and not each.name.startswith(".") and each.is_file():
                yield each.relative_to(path).as_posix(), each
        return
    for at, line in enumerate(read_text(path, DataError, "names of images").split("\n"), 1):
        name = line.strip().removeprefix("./")
        if name:
            image = path.parent / name
            if not os.path.isfile(image):
                raise DataError(f"{path}:{at}: image {name!r} is missing")
            yield name, image


def _label_file(image: Path) -> Path:
    """The label file of an image: in ``labels`` in place of the last ``images``, or beside it."""
    parts = list(image.parts)
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] == "images":
            parts[at] = "labels"
            break
    return Path(*parts).with_name(f"{without_suffix(image.name)}.txt")


def _labels(path: Path, faces: set[int], has_points: bool) -> NDArray[np.float64]:
    """Boxes ``x1 y1 x2 y2`` in shares of the image, (M, 4)."""
    boxes: list[list[float]] = []
    if not os.path.isfile(path):
        return np.zeros((0, 4))
    for at, line in enumerate(read_text(path, DataError, "labels").split("\n"), 1):
        words = line.split()
        if not words:
            continue
        try:
            number, values = int(float(words[0])), [float(word) for word in words[1:]]
        except (ValueError, OverflowError):
            values = []
        wanted = len(values) == _BOX - 1 or (has_points and len(values) >= _BOX - 1)
        polygon = not wanted and len(values) >= 6 and len(values) % 2 == 0
        if not (wanted or polygon) or not np.abs(values).max() <= 2:
            raise DataError(
                f"{path}:{at}: {line[:60]!r} is no label, expected a class and x y width height, "
                "or points, in shares of the image"
            )
        if number not in faces:
            continue
        if polygon:
            x, y = values[::2], values[1::2]
            boxes.append([min(x), min(y), max(x), max(y)])
        else:
            x_, y_, w, h = values[:4]
            boxes.append([x_ - w / 2, y_ - h / 2, x_ + max(w, 0) - w / 2, y_ + max(h, 0) - h / 2])
    return np.array(boxes, np.float64).reshape(-1, 4)


def _in_pixels(boxes_M4: NDArray[np.float64], image: Path) -> NDArray[np.float32]:
    """Shares of an image in its pixels, turned the way its EXIF orientation asks for."""
    height, width = image_size(image, "apply")
    return (boxes_M4 * [width, height, width, height]).astype(np.float32)

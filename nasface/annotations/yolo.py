"""Data sets in the text form of YOLO: ``data.yaml`` (Ultralytics, Roboflow), ``classes.txt`` (Label
Studio) or ``obj.data`` (Darknet, CVAT), with ``images/`` and ``labels/``.

A label file has a row per object: its class, then ``x y width height`` of the box with the centre
at x, y, or the points of a polygon or turned box, in shares of the image as it is shown (turned by
its EXIF orientation).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasface.annotations.classes import FACE, faces_among, split_names
from nasface.annotations.image_size import image_size
from nasface.annotations.layout import SPLITS, write_below
from nasface.annotations.names import (
    check_image_name,
    excerpt,
    has_image_suffix,
    is_hidden,
    without_suffix,
)
from nasface.annotations.records import ImageRecord
from nasface.errors import DataError
from nasface.io.files import read_text
from nasface.io.yaml import parse_yaml, to_yaml

_FILES = ("data.yaml", "data.yml", "dataset.yaml", "obj.data", "classes.txt")
_WHOLE = "all"
"""The word for the images of a folder without splits."""
_BOX = 5
"""Numbers in a row of a box, the class included."""


def is_yolo(root: Path) -> bool:
    """Return whether a path is a settings file with class names and a split, or a folder of one."""
    try:
        values = _settings(root)[1]
    except DataError:
        return False
    return "names" in values and bool(_splits(values) or _WHOLE in values)


def yolo_splits(root: Path) -> tuple[str, ...]:
    """Return the parts that the settings name; none where there is one folder of images."""
    return _splits(_settings(root)[1])


def read_yolo(
    root: Path, split: str, classes: Sequence[str] = (), *, need_images: bool = True
) -> list[ImageRecord]:
    """Read a split of the ``data.yaml`` (or the like) that ``root`` is or holds.

    An image without a label file has no face. Images are read as they are shown; their size is
    needed, so that they must be there, whatever ``need_images`` says.

    Raises:
        DataError: naming file and line.
    """
    file, values = _settings(root)
    if "names" not in values:
        raise DataError(f"{file}: has no 'names' of classes")
    faces = faces_among(_classes(values["names"], file), classes, str(file))
    words = (*split_names(split), _WHOLE)
    place = next((values[word] for word in words if values.get(word)), None)
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
        boxes = _labels(path, faces, has_points)
        records[name] = ImageRecord(name, path, _in_pixels(boxes, path), {}, "apply")
    return list(records.values())


def write_yolo(root: Path, parts: Mapping[str, Sequence[ImageRecord]]) -> None:
    """Write ``data.yaml``, and the labels of each image where readers look for them."""
    for records in parts.values():
        for record in records:
            height, width = image_size(record.path, record.exif)
            shares_M4 = record.boxes_M4 / np.array([width, height, width, height], np.float64)
            sides_M2 = shares_M4[:, 2:] - shares_M4[:, :2]
            rows_M4 = np.concatenate([shares_M4[:, :2] + sides_M2 / 2, sides_M2], axis=1)
            lines = ["0 " + " ".join(f"{value:.10g}" for value in row) for row in rows_M4]
            path = next(_label_files(record.path))
            write_below(path, "".join(line + "\n" for line in lines))
    content = {"path": ".", **{split: f"images/{split}" for split in parts}, "names": [FACE]}
    write_below(root / "data.yaml", to_yaml(content))


def _settings(root: Path) -> tuple[Path, dict[Any, Any]]:
    """The settings file that a path is or holds, and its values in the words of ``data.yaml``.

    Raises:
        DataError: if there is none that can be read.
    """
    tried = [root] if root.is_file() else [root / name for name in _FILES]
    file = next((path for path in tried if path.is_file()), None)
    if file is None:
        raise DataError(f"{root}: has no {', '.join(_FILES[:2])} or the like")
    if file.suffix in (".yaml", ".yml"):
        values = parse_yaml(read_text(file, DataError, "settings"), str(file), DataError)
    elif file.name == "obj.data":
        pairs = (line.split("=", 1) for line in _lines(file) if "=" in line)
        values = {key.strip(): value.strip() for key, value in pairs}
        names = next(iter(_tried(file, file.parent, str(values.get("names")))), file)
        values["names"] = _lines(names)
    elif file.name == "classes.txt" and (file.parent / "images").is_dir():
        folder = file.parent / "images"
        split = {
            each: f"images/{word}"
            for each in SPLITS
            for word in split_names(each)
            if (folder / word).is_dir()
        }
        values = {"names": _lines(file), **(split or {_WHOLE: "images"})}
    else:
        raise DataError(f"{file}: is no settings file of YOLO, expected data.yaml")
    if not isinstance(values, dict):
        raise DataError(f"{file}: has no 'names' of classes")
    return file, values


def _splits(values: Mapping[Any, Any]) -> tuple[str, ...]:
    return tuple(split for split in SPLITS if any(values.get(word) for word in split_names(split)))


def _lines(path: Path) -> list[str]:
    lines = read_text(path, DataError, "names").split("\n")
    return [line.strip() for line in lines if line.strip()]


def _classes(names: Any, file: Path) -> dict[int, str]:
    found = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(found, dict) or not all(isinstance(key, int) for key in found):
        raise DataError(f"{file}: 'names' is no list of classes, and no map from their numbers")
    return {key: str(name) for key, name in found.items()}


def _tried(file: Path, base: Path, place: str) -> list[Path]:
    """What is there of the places that a settings file may mean by one.

    Roboflow writes ``../train/images`` for the folder beside ``data.yaml``, CVAT ``data/train.txt``
    for the file beside it, and absolute paths are those of another machine; so folders in front
    are left out one by one.
    """
    parts = [part for part in place.replace("\\", "/").split("/") if part not in ("", ".")]
    rest = parts[next((at for at, part in enumerate(parts) if part != ".."), 0) :]
    tried = [base / place, file.parent / place, base / "/".join(parts)]
    tried += [file.parent / "/".join(rest[at:]) for at in range(len(rest))]
    return [path for path in tried if os.path.exists(path)]


def _images(file: Path, base: Path, place: str) -> Iterator[tuple[str, Path]]:
    """Name and path of the images of a folder, or of those that a text file lists."""
    path = next(iter(_tried(file, base, place)), None)
    if path is None:
        raise DataError(f"{file}: {excerpt(place)} does not exist, expected a place of images")
    if path.is_dir():
        for each in sorted(path.rglob("*")):
            name = each.relative_to(path).as_posix()
            if has_image_suffix(name) and not is_hidden(name) and each.is_file():
                yield name, each
        return
    for at, line in enumerate(read_text(path, DataError, "names of images").split("\n"), 1):
        if not line.strip():
            continue
        image = next(iter(_tried(path, path.parent, line.strip())), None)
        if image is None or not image.is_file():
            raise DataError(f"{path}:{at}: image {excerpt(line.strip())} is missing")
        inside = image.is_relative_to(path.parent)
        yield image.relative_to(path.parent).as_posix() if inside else image.name, image


def _label_files(image: Path) -> Iterator[Path]:
    """Where the labels of an image may be: in ``labels`` in the place of an ``images`` above it,
    the last one first, else beside it."""
    name, parts = f"{without_suffix(image.name)}.txt", image.parts[:-1]
    for at in range(len(parts) - 1, -1, -1):
        if parts[at] == "images":
            yield Path(*parts[:at], "labels", *parts[at + 1 :], name)
    yield image.with_name(name)


def _labels(image: Path, faces: set[int], has_points: bool) -> NDArray[np.float64]:
    """Boxes ``x1 y1 x2 y2`` in shares of the image, (M, 4)."""
    boxes: list[list[float]] = []
    path = next((each for each in _label_files(image) if os.path.isfile(each)), None)
    if path is None:
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

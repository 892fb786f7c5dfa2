"""Data sets in the JSON form of COCO (cocodataset.org): images, annotations, categories.

It is also what CVAT, Label Studio, Roboflow and FiftyOne export, each with its own folders.
Boxes are ``x y width height`` there.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasface.data.classes import faces_among, split_names
from nasface.data.names import check_image_name, excerpt
from nasface.data.records import ImageRecord
from nasface.errors import DataError
from nasface.io.files import read_text

FLAGS = ("iscrowd", "ignore")
"""Numbers beside a box; where one is not 0, the box is neither to be found nor a mistake."""

_FAR = 1e9


def is_coco(root: Path) -> bool:
    """Whether a path is a ``.json`` file, or a folder where one of COCO's names lies."""
    if root.is_file():
        return root.suffix.lower() == ".json"
    splits = ("train", "val", "valid", "test")
    return any(path.is_file() for split in splits for path in _files(root, split))


def read_coco(
    root: Path, split: str, classes: Sequence[str] = (), *, need_images: bool = True
) -> list[ImageRecord]:
    """Read a ``.json`` file, whatever ``split`` says, or that of a split in a folder.

    Attributes of a face are :data:`FLAGS`.

    Raises:
        DataError: naming the file and the entry.
    """
    path = root
    if root.is_dir():
        tried = [each for word in split_names(split) for each in _files(root, word)]
        path = next((each for each in tried if each.is_file()), root)
        if path == root:
            shown = ", ".join(str(each.relative_to(root)) for each in tried[:3])
            raise DataError(f"{root}: has no annotations of split {split!r}; expected {shown}")
    content = _parse(path)
    category = {_key(each, "id", path): str(each.get("name")) for each in content["categories"]}
    faces = faces_among(category, classes, str(path))
    names: dict[Any, str] = {}
    seen: set[str] = set()
    for each in content["images"]:
        name = each.get("file_name")
        if not isinstance(name, str):
            raise DataError(f"{path}: image {each.get('id')!r} has no file_name")
        name = name.replace("\\", "/").removeprefix("./")
        check_image_name(name, str(path))
        if _key(each, "id", path) in names or name in seen:
            raise DataError(f"{path}: image {excerpt(name)} occurs twice, expected each once")
        names[each["id"]] = name
        seen.add(name)
    if not names:
        raise DataError(f"{path}: names no image")
    rows: dict[Any, list[list[float]]] = {image: [] for image in names}
    flags: dict[Any, list[list[int]]] = {image: [] for image in names}
    for at, each in enumerate(content["annotations"]):
        image = each.get("image_id")
        if image not in names:
            raise DataError(f"{path}: annotation {at} is of image {image!r}, which is not listed")
        if each.get("category_id") not in category:
            raise DataError(
                f"{path}: annotation {at} is of category {each.get('category_id')!r}, which is not "
                "listed"
            )
        if each["category_id"] in faces:
            rows[image].append(_box(each.get("bbox"), f"{path}: annotation {at}"))
            flags[image].append([int(bool(each.get(flag))) for flag in FLAGS])
    folder = _folder(root, path, split, list(names.values()), need_images)
    return [
        _record(name, folder / name, np.array(rows[image]).reshape(-1, 4), flags[image])
        for image, name in names.items()
    ]


def _record(
    name: str, path: Path, boxes_M4: NDArray[np.float64], flags: list[list[int]]
) -> ImageRecord:
    corners = np.concatenate([boxes_M4[:, :2], boxes_M4[:, :2] + boxes_M4[:, 2:].clip(0)], axis=1)
    flags_MF = np.array(flags, np.int64).reshape(-1, len(FLAGS))
    attributes = {flag: flags_MF[:, at] for at, flag in enumerate(FLAGS)}
    return ImageRecord(name, path, corners.astype(np.float32), attributes)


def _files(root: Path, split: str) -> Iterator[Path]:
    """Where tools put the annotations of a split."""
    annotations = root / "annotations"
    yield from (annotations / f"instances_{split}.json", annotations / f"{split}.json")
    yield from (root / split / "_annotations.coco.json", root / f"{split}.json")
    yield from (root / split / "labels.json", annotations / f"instances_{split}2017.json")
    yield from (annotations / "instances_default.json", root / "result.json", root / "labels.json")


def _folder(root: Path, file: Path, split: str, names: Sequence[str], need_images: bool) -> Path:
    """The folder that holds all images, or the most of them where that is enough."""
    top = root if root.is_dir() else file.parent
    tops = (file.parent, top, top.parent) if root.is_file() else (file.parent, top)
    words = [word for name in split_names(split) for word in (name, f"{name}2017")]
    below = ["", "images", "data", *words, *(f"images/{word}" for word in words), "images/default"]
    folders = list(dict.fromkeys(each / part for each in tops for part in below))

    # os.path.isfile, for Path.is_file raises on names that are too long for the file system.
    def missing(folder: Path) -> list[str]:
        return [name for name in names if not os.path.isfile(folder / name)]

    best = min(folders, key=lambda folder: len(missing(folder)))
    lacking = missing(best)
    if len(lacking) == len(names):
        raise DataError(f"{file}: image {excerpt(names[0])} is not below {top} or its images/")
    if lacking and need_images:
        raise DataError(
            f"{best / lacking[0]}: image is missing, as are {len(lacking)} of the {len(names)} "
            f"that {file} names, expected all of them"
        )
    return best


def _parse(path: Path) -> dict[str, list[dict[str, Any]]]:
    text = read_text(path, DataError, "annotations")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON: {str(error)[:200]}") from None
    for key in ("images", "annotations", "categories"):
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise DataError(f"{path}: has no list {key!r} of maps; expected the form of COCO")
    found: dict[str, list[dict[str, Any]]] = content
    return found


def _key(entry: dict[str, Any], name: str, path: Path) -> Any:
    value = entry.get(name)
    if not isinstance(value, int | str):
        raise DataError(f"{path}: {value!a:.60} is no {name}, expected a number or text")
    return value


def _box(value: Any, place: str) -> list[float]:
    numbers = isinstance(value, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in value
    )
    if not numbers or len(value) != 4 or not all(abs(each) < _FAR for each in value):
        raise DataError(f"{place}: bbox is {value!a:.60}, expected x, y, width, height")
    return [float(each) for each in value]

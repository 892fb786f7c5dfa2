"""Data sets of labelme, AnyLabeling and X-AnyLabeling: a JSON file for each image, beside it.

Shapes are two corners of a rectangle, a polygon, a circle or a mask; the least box round each is
read. Points and lines are not. Shapes are on the image as it is shown (turned by its EXIF
orientation), and images without a file are not annotated, and left out. So are other JSON files.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import dist
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from nasface.annotations.classes import faces_among
from nasface.annotations.coco import load_json
from nasface.annotations.layout import (
    files_of,
    find_images,
    folders_of,
    split_folder,
    splits_of,
)
from nasface.annotations.names import check_image_name, excerpt, has_image_suffix, is_hidden
from nasface.annotations.records import ImageRecord, says_yes, stated_size
from nasface.annotations.tool_forms import LABELME, has_words
from nasface.errors import DataError
from nasface.io.files import files_below

_FLAGS = ("difficult", "ignore", "occluded", "truncated")
"""Flags of a shape that are read, by the tool's own name or one that a user has given."""
_KEYS = ("shapes", "imagePath", "imageHeight", "imageWidth")
_NO_AREA = ("point", "points", "line", "lines", "linestrip")
_FAR = 1e9
_LOOKED_AT = 100


def is_labelme(root: Path) -> bool:
    """Return whether a folder, or a part in it, holds files of labelme."""
    return root.is_dir() and (bool(labelme_splits(root)) or _is_of_labelme(root))


def labelme_splits(root: Path) -> tuple[str, ...]:
    """Return the parts that have folders; none where all is in one."""
    return splits_of(root, lambda top, split: _folder_of(top, split) is not None)


def read_labelme(
    root: Path, split: str, classes: Sequence[str] = (), *, need_images: bool = True
) -> list[ImageRecord]:
    """Read the files of a part, or all where there are no parts.

    Raises:
        DataError: naming the file.
    """
    folder = _folder_of(root, split)
    if folder is None and labelme_splits(root):
        raise DataError(f"{root}: has no folder of split {split!r} with files of labelme")
    folder = folder or root
    found: dict[str, Path] = {}
    contents: dict[str, dict[str, Any]] = {}
    for path in _files_in(folder)[0]:
        content = _parse(path)
        name = _name(content, path, folder)
        if name in found:
            raise DataError(f"{path}: is of image {excerpt(name)}, as is {found[name].name}")
        found[name], contents[name] = path, content
    if not found:
        raise DataError(f"{folder}: holds no file of labelme")
    shapes = {name: list(_shapes(contents[name], path)) for name, path in found.items()}
    every = sorted({each["label"] for name in found for each in contents[name]["shapes"]})
    faces = faces_among({name: name for name in every}, classes, str(folder)) if every else set()
    places = find_images(folder, [folder, root], split, list(found), need_images)
    return [
        replace(
            _record(name, places[name], [shape for shape in shapes[name] if shape[0] in faces]),
            stated_size=stated_size(content.get("imageHeight"), content.get("imageWidth")),
        )
        for name, content in contents.items()
    ]


def labelme_assumes(root: Path, split: str, _: Sequence[ImageRecord]) -> str:
    """Return which JSON files are left out, since they are not of labelme; empty without any."""
    others = _files_in(_folder_of(root, split) or root)[1]
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    return f"{others[0].name} is no file of labelme{more}, and left out" if others else ""


_Shape = tuple[str, list[float], list[bool]]


def _record(name: str, path: Path, shapes: Sequence[_Shape]) -> ImageRecord:
    flags_MF = np.array([flags for *_, flags in shapes], np.int64).reshape(-1, len(_FLAGS))
    attributes = {flag: flags_MF[:, at] for at, flag in enumerate(_FLAGS)}
    boxes_M4 = np.array([box for _, box, _ in shapes], np.float32).reshape(-1, 4)
    return ImageRecord(name, path, boxes_M4, attributes, "apply")


def _shapes(content: Mapping[str, Any], path: Path) -> Iterator[_Shape]:
    """Yield the label, corners and flags of each shape that has an area."""
    for at, shape in enumerate(content["shapes"]):
        where = f"{path}: shape {at}"
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise DataError(f"{where} has no label")
        if shape.get("shape_type") in _NO_AREA:
            continue
        given = shape.get("flags")
        told = (shape, given if isinstance(given, dict) else {})
        flags = [any(says_yes(str(each.get(flag, ""))) for each in told) for flag in _FLAGS]
        yield shape["label"], _box(shape, where), flags


def _box(shape: Mapping[str, Any], where: str) -> list[float]:
    """Return the least box round a shape."""
    try:
        points = [(float(x), float(y)) for x, y in shape["points"]]
        if len(points) < 2 or not all(abs(value) < _FAR for point in points for value in point):
            raise ValueError
        if shape.get("shape_type") == "circle":
            centre, border = points
            radius = dist(centre, border)
            points = [(centre[0] + side, centre[1] + side) for side in (-radius, radius)]
        xs, ys = zip(*points, strict=True)
        return [min(xs), min(ys), max(xs), max(ys)]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DataError(f"{where} has no points, expected two or more of x and y") from None


def _name(content: Mapping[str, Any], path: Path, folder: Path) -> str:
    """Return the image of a file, from the folder; where it is said to lie elsewhere, beside the
    file."""
    written = str(content["imagePath"]).replace("\\", "/")
    beside = path.parent.relative_to(folder).as_posix()
    name = os.path.normpath(f"{beside}/{written}").replace("\\", "/")
    if PurePosixPath(written).is_absolute() or name.startswith("../") or ":" in written:
        name = os.path.normpath(f"{beside}/{PurePosixPath(written).name}").replace("\\", "/")
    check_image_name(name, str(path))
    return name


def _parse(path: Path) -> dict[str, Any]:
    content = load_json(path, "annotations of labelme")
    is_map = isinstance(content, dict)
    if not is_map or not isinstance(content.get("shapes"), list) or "imagePath" not in content:
        raise DataError(f"{path}: has no shapes and imagePath, as files of labelme have")
    # Without the photograph itself, which files of labelme hold as text.
    return {key: content[key] for key in _KEYS if key in content}


def _folder_of(root: Path, split: str) -> Path | None:
    folder = split_folder(root, split, ("", "annotations", "labels"))
    return folder if folder is not None and _is_of_labelme(folder) else None


def _is_of_labelme(folder: Path) -> bool:
    """Return whether one of the first JSON files of a folder, or of those in it, is one of
    labelme."""
    places = (folder, *folders_of(folder))
    files = (path for place in places for path in files_of(place, ".json"))
    return any(has_words(path, LABELME) for path in islice(files, _LOOKED_AT))


def _files_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the JSON files below a folder that are of labelme, and the others.

    One that has the name of an image beside it is of labelme, whatever it holds: if that is not
    sound, it is an error, and no image without faces.
    """
    below = [
        path for path in files_below(folder) if not is_hidden(path.relative_to(folder).as_posix())
    ]
    images = {path.with_suffix("") for path in below if has_image_suffix(path.name)}
    ours: list[Path] = []
    others: list[Path] = []
    for path in sorted(path for path in below if path.suffix.lower() == ".json"):
        # Of a file with many shapes and a picture, the other word is in the middle.
        known = path.with_suffix("") in images or has_words(path, LABELME[:1])
        (ours if known else others).append(path)
    return ours, others

"""Data sets in the form of KITTI (Geiger, Lenz, Urtasun, CVPR 2012), which NVIDIA's TAO and DIGITS
take as well: a text file for each image, in ``label_2/`` beside ``image_2/``, or in ``labels/``
beside ``images/``.

A row is a class, how much is cut off, how much is hidden, an angle, ``x1 y1 x2 y2`` in pixels, and
seven numbers of the object in space. Rows of the class ``DontCare`` are ignored.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nasface.annotations.classes import faces_among, split_names
from nasface.annotations.layout import files_of, find_images, full_names, place_below, splits_of
from nasface.annotations.names import check_image_name, excerpt
from nasface.annotations.records import ImageRecord
from nasface.errors import DataError
from nasface.io.files import read_text

_PAIRS = (("label_2", "image_2"), ("labels", "images"))
"""Folders of labels and of their images."""
_NUMBERS = 14
_BOX = slice(3, 7)
_DO_NOT_CARE = "dontcare"
_FAR = 1e9

_Row = tuple[str, list[float]]


def is_kitti(root: Path) -> bool:
    """Return whether a folder, or a part in it, has labels that begin with a row of this form."""
    return bool(kitti_splits(root)) or _folders(root, "") is not None


def kitti_splits(root: Path) -> tuple[str, ...]:
    """Return the parts that a folder has; none where all is in one."""
    return splits_of(root, lambda top, split: _folders(top, split) is not None)


def read_kitti(
    root: Path, split: str, classes: Sequence[str] = (), *, need_images: bool = True
) -> list[ImageRecord]:
    """Read a split: the images that have a file of labels, which may be empty.

    Attributes of a face are ``truncated`` and ``occluded``, and ``ignore``.

    Raises:
        DataError: naming file and line.
    """
    folders = _folders(root, split) or (None if kitti_splits(root) else _folders(root, ""))
    if folders is None:
        raise DataError(f"{root}: has no labels of split {split!r}; expected {split}/labels/*.txt")
    labels, images = folders
    rows = {path.stem: _rows(path) for path in files_of(labels, ".txt")}
    for stem in rows:
        check_image_name(f"{stem}.jpg", str(labels))
    places = find_images(labels, [images], split, list(rows), need_images)
    full = full_names(places)
    every = sorted({name for each in rows.values() for name, _ in each if not _is_ignored(name)})
    faces = faces_among({name: name for name in every}, classes, str(labels)) if every else set()
    return [
        _record(
            full[stem],
            places[stem],
            [row for row in each if row[0] in faces or _is_ignored(row[0])],
        )
        for stem, each in rows.items()
    ]


def _record(name: str, path: Path, rows: Sequence[_Row]) -> ImageRecord:
    numbers_MN = np.array([numbers for _, numbers in rows], np.float64).reshape(-1, _NUMBERS)
    boxes_M4 = numbers_MN[:, _BOX]
    boxes_M4[:, 2:] = np.maximum(boxes_M4[:, 2:], boxes_M4[:, :2])
    attributes = {
        "truncated": (numbers_MN[:, 0] > 0).astype(np.int64),
        "occluded": numbers_MN[:, 1].clip(0).astype(np.int64),
        "ignore": np.array([_is_ignored(class_) for class_, _ in rows], np.int64),
    }
    return ImageRecord(name, path, boxes_M4.astype(np.float32), attributes)


def _is_ignored(class_: str) -> bool:
    return class_.lower() == _DO_NOT_CARE


def _folders(root: Path, split: str) -> tuple[Path, Path] | None:
    """Return the folders of labels and images of a part; with an empty name, of all."""
    for labels, images in _PAIRS:
        for word in split_names(split):
            for place in (f"{word}/{{}}", f"{{}}/{word}"):
                pair = [place_below(root, place.format(each)) for each in (labels, images)]
                if pair[0] is not None and pair[1] is not None and _has_rows(pair[0]):
                    return pair[0], pair[1]
    return None


def _has_rows(folder: Path) -> bool:
    """Return whether the first row in a folder is one of this form, or such a one with a score."""
    for path in files_of(folder, ".txt"):
        try:
            text = read_text(path, DataError, "labels")
        except DataError:
            return False
        if text.strip():
            words = text.strip().split("\n")[0].split()
            return _row(" ".join(words[: _NUMBERS + 1])) is not None and len(words) <= _NUMBERS + 2
    return False


def _rows(path: Path) -> list[_Row]:
    found = []
    for at, line in enumerate(read_text(path, DataError, "labels").split("\n"), 1):
        row = _row(line)
        if row is not None:
            found.append(row)
        elif line.strip():
            scored = len(line.split()) == _NUMBERS + 2
            raise DataError(
                f"{path}:{at}: {excerpt(line.strip())} is no label, expected a class, truncated, "
                "occluded, alpha, x1 y1 x2 y2 and seven numbers"
                f"{'; one more is a score, as detections have' if scored else ''}"
            )
    return found


def _row(line: str) -> _Row | None:
    """Return the class and numbers of a row; None for what is none."""
    words = line.split()
    try:
        numbers = [float(word) for word in words[1:]]
    except ValueError:
        return None
    if len(numbers) != _NUMBERS or not all(abs(each) < _FAR for each in numbers):
        return None
    return (words[0], numbers) if words[0].strip("+-.0123456789") else None

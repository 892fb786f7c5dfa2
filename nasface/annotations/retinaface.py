"""Data sets in the form of RetinaFace (Deng et al., 2019): ``label.txt`` beside ``images/``.

A line ``# event/name.jpg`` begins an image; each line below it is a face: ``x y width height``, and
in the training part five points (x, y and a number that tells whether it is annotated) and how good
they are, or -1 for all of them.

SCRFD (Guo et al., 2022) has ``labelv2.txt``: the image's width and height follow its name, and a
face begins with its corners ``x1 y1 x2 y2``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nasface.annotations.layout import (
    LARGEST_ANNOTATIONS,
    find_images,
    place_below,
    plain_names,
    split_folder,
    splits_of,
    write_below,
)
from nasface.annotations.names import check_image_name, excerpt
from nasface.annotations.records import ImageRecord, stated_size
from nasface.errors import DataError
from nasface.io.files import read_text

LABELS, LABELS_OF_SCRFD = "label.txt", "labelv2.txt"

_BOX = 4
_POINTS = 15
"""Numbers of the five points, where a row has them."""
_FAR = 1e9
_WITH_SIZE = re.compile(r"(.*\.\w+)\s+(\d+)\s+(\d+)")


@dataclass
class LabelledImage:
    """Boxes ``x y width height`` of an image, and its (height, width) where the file states it."""

    size: tuple[int, int] | None = None
    boxes: list[list[float]] = field(default_factory=list)


def is_retinaface(root: Path) -> bool:
    """Return whether a path is a ``label.txt`` or ``labelv2.txt``, or a folder with one, itself or
    in its parts."""
    if root.is_file():
        return root.name.lower() in (LABELS, LABELS_OF_SCRFD)
    return _labels_in(root) is not None or bool(retinaface_splits(root))


def retinaface_splits(root: Path) -> tuple[str, ...]:
    """Return the parts that a folder has; none where all is in one file."""
    return splits_of(root, lambda top, split: _labels_of(top, split) is not None)


def read_retinaface(root: Path, split: str, *, need_images: bool = True) -> list[ImageRecord]:
    """Read a ``label.txt``, whatever ``split`` says, or that of a split in a folder.

    The points are not read.

    Raises:
        DataError: naming file and line.
    """
    path = root if root.is_file() else _labels_of(root, split)
    if path is None:
        path = _labels_in(root)
        if path is None or retinaface_splits(root):
            raise DataError(f"{root}: has no labels of split {split!r}; expected {split}/{LABELS}")
    entries = parse_labels(read_text(path, DataError, "labels", LARGEST_ANNOTATIONS), str(path))
    places = find_images(path, [path.parent], split, list(entries), need_images)
    return [
        ImageRecord(name, places[name], _corners(each.boxes), stated_size=each.size)
        for name, each in entries.items()
    ]


def parse_labels(text: str, source: str) -> dict[str, LabelledImage]:
    """Return name of image -> its faces.

    Raises:
        DataError: beginning with ``source:line``.
    """
    entries: dict[str, LabelledImage] = {}
    image: LabelledImage | None = None
    has_corners = False
    lines = [line.strip() for line in text.split("\n")]
    headers = (_header(line)[0] for line in lines if line.startswith("#"))
    names = plain_names(headers, Path(source).parent, source)
    for at, line in enumerate(lines, 1):
        place = f"{source}:{at}"
        if line.startswith("#"):
            written, *sides = _header(line)
            has_corners = bool(sides)
            name = names[written]
            check_image_name(name, place)
            if name in entries:
                raise DataError(f"{place}: image {excerpt(name)} occurs twice, expected each once")
            image = entries[name] = LabelledImage(stated_size(*sides[::-1]) if sides else None)
        elif line:
            if image is None:
                raise DataError(f"{place}: {excerpt(line)} is before the first '# name.jpg'")
            box = _box(line, place)
            image.boxes.append(_sides_of(box) if has_corners else box)
    if not entries:
        raise DataError(f"{source}: names no image, expected lines such as '# event/name.jpg'")
    return entries


def _header(line: str) -> tuple[str, ...]:
    """Return the image of a line ``# name``; its width and height as well if they follow, as they
    do where rows are corners."""
    written = line.removeprefix("#").strip()
    match = _WITH_SIZE.fullmatch(written)
    return match.groups() if match else (written,)


def write_retinaface(root: Path, parts: Mapping[str, Sequence[ImageRecord]]) -> None:
    """Write the ``label.txt`` of each part, without points."""
    for split, records in parts.items():
        lines = []
        for record in records:
            lines.append(f"# {record.name}")
            sides_M2 = record.boxes_M4[:, 2:] - record.boxes_M4[:, :2]
            for corner, sides in zip(record.boxes_M4[:, :2], sides_M2, strict=True):
                numbers = [*corner.tolist(), *sides.tolist(), *[-1] * _POINTS, -1]
                lines.append(" ".join(f"{number:.9g}" for number in numbers))
        write_below(root / split / LABELS, "".join(line + "\n" for line in lines))


def _labels_of(root: Path, split: str) -> Path | None:
    folder = split_folder(root, split)
    return None if folder is None else _labels_in(folder)


def _labels_in(folder: Path) -> Path | None:
    tried = (place_below(folder, name) for name in (LABELS, LABELS_OF_SCRFD))
    return next((path for path in tried if path is not None and path.is_file()), None)


def _sides_of(corners: Sequence[float]) -> list[float]:
    x1, y1, x2, y2 = corners
    return [x1, y1, x2 - x1, y2 - y1]


def _box(line: str, place: str) -> list[float]:
    try:
        numbers = [float(word) for word in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) < _BOX or not all(abs(each) < _FAR for each in numbers[:_BOX]):
        raise DataError(
            f"{place}: {excerpt(line)} is no face, expected x y width height, and five points or "
            "nothing"
        )
    return numbers[:_BOX]


def _corners(rows: Sequence[Sequence[float]]) -> np.ndarray:
    boxes_M4 = np.array(rows, np.float64).reshape(-1, 4)
    boxes_M4[:, 2:] = boxes_M4[:, :2] + boxes_M4[:, 2:].clip(0)
    return boxes_M4.astype(np.float32)

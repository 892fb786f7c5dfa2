"""CelebA (Liu, Luo, Wang, Tang, ICCV 2015): a table of one box for each image.

``list_bbox_celeba.txt`` is a count, a header, and rows of an image and ``x y width height``. The
boxes are on the images as they were found, ``img_celeba``; the aligned ones, of 178 x 218 pixels,
are cut-outs in which these boxes mean nothing. ``list_eval_partition.txt`` tells the parts. Copies
have both lists as ``.csv`` files with a header.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nasface.annotations.image_size import image_size
from nasface.annotations.layout import LARGEST_ANNOTATIONS, find_images, place_below
from nasface.annotations.names import check_image_name, excerpt
from nasface.annotations.records import ImageRecord
from nasface.errors import DataError
from nasface.io.files import read_text

_BOXES, _PARTS = "list_bbox_celeba", "list_eval_partition"
_SUFFIXES = (".txt", ".csv")
_SPLITS = {"0": "train", "1": "val", "2": "test"}
_IMAGES = ("", "img_celeba", "Img/img_celeba", "Img", "img_align_celeba/img_align_celeba")
_ALIGNED = (218, 178)
_LOOKED_AT = 5
_FAR = 10**9


def is_celeba(root: Path) -> bool:
    """Return whether a path is the table of boxes, or a folder that has it, itself or in
    ``Anno``."""
    return _file(root, "Anno", _BOXES) is not None


def celeba_splits(root: Path) -> tuple[str, ...]:
    """Return the parts; none without their list."""
    return tuple(_SPLITS.values()) if _file(root, "Eval", _PARTS) else ()


def read_celeba(root: Path, split: str, *, need_images: bool = True) -> list[ImageRecord]:
    """Read a part, or all images where no file tells the parts.

    Raises:
        DataError: naming file and line; for aligned images.
    """
    path, parts = _file(root, "Anno", _BOXES), _file(root, "Eval", _PARTS)
    if path is None:
        raise DataError(f"{root}: has no {_BOXES}.txt, which holds the boxes of CelebA")
    boxes: dict[str, list[int]] = {}
    for at, name, numbers in _rows(path, 4, header=1 if _is_csv(path) else 2):
        if name in boxes:
            raise DataError(f"{path}:{at}: image {excerpt(name)} occurs twice, expected each once")
        boxes[name] = numbers
    if parts is not None:
        if split not in _SPLITS.values():
            raise DataError(f"{parts}: has no split {split!r}; expected train, val or test")
        rows = _rows(parts, 1, header=1 if _is_csv(parts) else 0)
        part_of = {name: _SPLITS.get(str(part)) for _, name, (part,) in rows}
        boxes = {name: box for name, box in boxes.items() if part_of.get(name) == split}
    if not boxes:
        raise DataError(f"{parts or path}: names no image of split {split!r}")
    top = path.parent if root.is_file() else root
    folders = [place for each in _IMAGES if (place := place_below(top, each)) is not None]
    places = find_images(path, folders, split, list(boxes), need_images)
    there = [each for each in list(places.values())[:_LOOKED_AT] if os.path.isfile(each)]
    if there and all(_is_aligned(each) for each in there):
        raise DataError(
            f"{there[0].parent}: holds aligned images of 178 x 218 pixels, expected those as they "
            f"were found (img_celeba), on which the boxes of {path.name} are"
        )
    return [ImageRecord(name, places[name], [_corners(box)]) for name, box in boxes.items()]


def _file(root: Path, below: str, name: str) -> Path | None:
    """Return the path of a list of CelebA: beside ``root``, in a folder, or one below it."""
    if root.is_file():
        if (root.stem.lower(), root.suffix.lower()) not in [(_BOXES, each) for each in _SUFFIXES]:
            return None
        root = root.parent
    names = [f"{name}{suffix}" for suffix in _SUFFIXES]
    tried = (place_below(root, place) for each in names for place in (each, f"{below}/{each}"))
    return next((path for path in tried if path is not None and path.is_file()), None)


def _rows(path: Path, numbers: int, header: int) -> Iterator[tuple[int, str, list[int]]]:
    """Yield the line, image and whole numbers of each row below the header."""
    lines = read_text(path, DataError, "a table of CelebA", LARGEST_ANNOTATIONS).split("\n")
    for at, line in enumerate(lines[header:], header + 1):
        name, *words = (line.replace(",", " ") if _is_csv(path) else line).split() or [""]
        if not name:
            continue
        check_image_name(name, f"{path}:{at}")
        try:
            values = [int(word) for word in words if abs(int(word)) < _FAR]
        except ValueError:
            values = []
        if len(words) != numbers or len(values) != numbers:
            expected = "x y width height" if numbers > 1 else "0, 1 or 2"
            raise DataError(
                f"{path}:{at}: {excerpt(line.strip())} is no row, expected an image and {expected}"
            )
        yield at, name, values


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _is_aligned(path: Path) -> bool:
    try:
        return image_size(path) == _ALIGNED
    except DataError:
        return False


def _corners(box: Sequence[float]) -> np.ndarray:
    x, y, width, height = box
    return np.array([x, y, x + max(width, 0), y + max(height, 0)], np.float32)

"""Data sets in the form of RetinaFace (Deng et al., 2019): ``label.txt`` beside ``images/``.

A line ``# event/name.jpg`` begins an image; each line below it is a face: ``x y width height``, and
in the training part five points (x, y and a number that tells whether it is annotated) and how good
they are, or -1 for all of them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nasface.annotations.layout import (
    LARGEST_ANNOTATIONS,
    find_images,
    plain_name,
    split_folder,
    splits_of,
    write_below,
)
from nasface.annotations.names import check_image_name, excerpt
from nasface.annotations.records import ImageRecord
from nasface.errors import DataError
from nasface.io.files import read_text

LABELS = "label.txt"

_BOX = 4
_POINTS = 15
"""Numbers of the five points, where a row has them."""
_FAR = 1e9


def is_retinaface(root: Path) -> bool:
    """Return whether a path is a ``label.txt``, or a folder with one, itself or in its parts."""
    if root.is_file():
        return root.name.lower() == LABELS
    return (root / LABELS).is_file() or bool(retinaface_splits(root))


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
        path = root / LABELS
        if not path.is_file() or retinaface_splits(root):
            raise DataError(f"{root}: has no labels of split {split!r}; expected {split}/{LABELS}")
    entries = parse_labels(read_text(path, DataError, "labels", LARGEST_ANNOTATIONS), str(path))
    places = find_images(path, [path.parent], split, list(entries), need_images)
    return [ImageRecord(name, places[name], _corners(rows), {}) for name, rows in entries.items()]


def parse_labels(text: str, source: str) -> dict[str, list[list[float]]]:
    """Return image -> boxes ``x y width height``.

    Raises:
        DataError: beginning with ``source:line``.
    """
    entries: dict[str, list[list[float]]] = {}
    rows: list[list[float]] | None = None
    for at, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        place = f"{source}:{at}"
        if line.startswith("#"):
            name = plain_name(line.removeprefix("#").strip(), Path(source).parent)
            check_image_name(name, place)
            if name in entries:
                raise DataError(f"{place}: image {excerpt(name)} occurs twice, expected each once")
            rows = entries[name] = []
        elif line:
            if rows is None:
                raise DataError(f"{place}: {excerpt(line)} is before the first '# name.jpg'")
            rows.append(_box(line, place))
    if not entries:
        raise DataError(f"{source}: names no image, expected lines such as '# event/name.jpg'")
    return entries


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
    return folder / LABELS if folder is not None and (folder / LABELS).is_file() else None


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

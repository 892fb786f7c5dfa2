"""Annotations in the text form of WIDER FACE (Yang, Luo, Loy, Tang, CVPR 2016).

A file is a sequence of blocks: the image's name, the number of faces, and a row of ten integers
for each face. An image without a face is written in three ways: count 1 with a row of zeros
(official val file), count 0 with a row of zeros (official train file), or count 0 and no row.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nasface.annotations.layout import splits_of
from nasface.annotations.names import (
    check_all_there,
    check_distinct,
    check_image_name,
    excerpt,
    locate_images,
)
from nasface.annotations.records import Exif, ImageRecord
from nasface.errors import DataError
from nasface.io.files import read_text, write_bytes
from nasface.random_streams import Purpose, stream

ATTRIBUTES = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
"""The columns of a row after ``x y w h``, in the order of the file."""

_COLUMNS = 4 + len(ATTRIBUTES)
_ROW = re.compile(rf"-?[0-9]{{1,9}}(?:[ \t]+-?[0-9]{{1,9}}){{{_COLUMNS - 1}}}")
_COUNT = re.compile(r"[0-9]{1,9}")
_PADDING = " \t\r"

Record = TypeVar("Record")


def is_wider(root: Path) -> bool:
    """Return whether a folder is laid out as WIDER FACE is distributed."""
    return (root / "wider_face_split").is_dir()


def read_wider_split(
    root: Path, split: str, exif: Exif = "ignore", *, need_images: bool = True
) -> list[ImageRecord]:
    """Read one split ("train", "val") of a folder laid out as WIDER FACE is distributed.

    Takes ``root/wider_face_split/wider_face_{split}_bbx_gt.txt`` and the images in
    ``root/WIDER_{split}/images/event/name.jpg``. ``exif`` says how the images are to be read.
    Raises DataError when a folder, the annotation file or, unless ``need_images`` is false, an
    image is missing and when the file is empty or malformed.
    """
    root = Path(root)
    annotation_path = annotation_file(root, split)
    image_folder = root / f"WIDER_{split}" / "images"
    for path, is_there in ((root, root.is_dir()), (annotation_path, annotation_path.is_file())):
        if not is_there:
            raise DataError(
                f"{path}: does not exist, expected WIDER FACE's wider_face_split/ and "
                f"WIDER_{split}/images/ below {root}"
            )
    if not image_folder.is_dir():
        raise DataError(f"{image_folder}: does not exist, expected the images of split {split!r}")
    text = read_text(annotation_path, DataError, "annotations")
    entries = parse_wider_annotations(text, str(annotation_path))
    if not entries:
        raise DataError(f"{annotation_path}: is empty, expected at least one image name")
    there = locate_images(image_folder, [name for name, _ in entries], any_suffix=False)
    check_distinct(there, str(annotation_path))
    records = [
        _record(name, there.get(name, image_folder / name), rows, exif) for name, rows in entries
    ]
    if need_images:
        missing = [record.path for record in records if record.name not in there]
        check_all_there(missing, len(records), str(annotation_path))
    return records


def wider_splits(root: Path) -> tuple[str, ...]:
    """Return the parts that a folder has annotations of."""
    return splits_of(root, lambda top, split: annotation_file(top, split).is_file())


def annotation_file(root: Path, split: str) -> Path:
    """Return where the annotations of a split lie."""
    return root / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt"


def parse_wider_annotations(text: str, source: str) -> list[tuple[str, NDArray[np.int64]]]:
    """Parse annotation text into ``(name, rows)`` with rows int64 (M, 10) ``x y w h`` + attributes.

    The rows are as written, so that indices of the official ``.mat`` files apply to them; only
    the row of zeros that stands for "no face" is dropped. Takes a byte order mark, CRLF, blanks
    around lines, empty lines between blocks and a missing final newline. ``source`` names the
    text in messages. Raises DataError with ``source:line`` for anything else, names that leave
    the image folder and names that occur twice.
    """
    lines = [line.strip(_PADDING) for line in text.removeprefix("\ufeff").split("\n")]
    entries: list[tuple[str, NDArray[np.int64]]] = []
    line_of: dict[str, int] = {}
    at = 0
    while at < len(lines):
        if not lines[at]:
            at += 1
            continue
        name = lines[at]
        check_image_name(name, f"{source}:{at + 1}")
        if name in line_of:
            raise DataError(
                f"{source}:{at + 1}: image {name!r} occurs before, on line {line_of[name]}, "
                f"expected each image once"
            )
        line_of[name] = at + 1
        rows, at = _parse_rows(lines, at + 1, source)
        entries.append((name, rows))
    return entries


def write_wider_annotations(path: Path, entries: Iterable[tuple[str, NDArray[np.integer]]]) -> None:
    """Write ``(name, rows)`` pairs, rows integer (M, 10), in the official text form.

    An image without rows is written as in the official train file: count 0 and a row of zeros.
    A single row of zeros means "no face" in this form and is read back as no row. Raises
    DataError for names that the reader refuses and ValueError for rows of another shape.
    """
    blocks: dict[str, str] = {}
    for name, rows in entries:
        check_image_name(name, str(path))
        if name in blocks:
            raise DataError(f"{path}: image {name!r} occurs twice, expected each image once")
        blocks[name] = f"{name}\n{len(rows)}\n{_format_rows(rows)}"
    write_bytes(path, "".join(blocks.values()).encode())


def write_wider(root: Path, parts: Mapping[str, Sequence[ImageRecord]]) -> None:
    """Write the annotation file of each part: boxes in whole pixels, ignored faces as invalid."""
    for split, records in parts.items():
        path = annotation_file(root, split)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wider_annotations(path, [(record.name, _rows(record)) for record in records])


def split_halves(records: Sequence[Record], seed: int) -> tuple[list[Record], list[Record]]:
    """Split records at random into two halves, each in the given order.

    DARTS (Liu et al. 2019, section 2.3) trains weights on one half and the architecture on the
    other. The same records and seed give the same halves; an odd one goes to the first.
    """
    order = stream(seed, Purpose.HALVES).permutation(len(records))
    middle = (len(records) + 1) // 2
    first, second = ([records[i] for i in sorted(part)] for part in np.split(order, [middle]))
    return first, second


def _parse_rows(lines: list[str], at: int, source: str) -> tuple[NDArray[np.int64], int]:
    """Parse a count on line ``at`` and the rows below it; also return where the next block is."""
    line = lines[at] if at < len(lines) else ""
    if not _COUNT.fullmatch(line):
        raise DataError(
            f"{source}:{at + 1}: {excerpt(line)} is no number of faces, expected 0, 1, 2, ..."
        )
    count, start = int(line), at + 1
    if count == 0:
        has_zeros = start < len(lines) and _is_zeros(lines[start])
        return np.zeros((0, _COLUMNS), np.int64), start + has_zeros
    # An absurd count ends here at the last line, not in an absurd allocation.
    rows = lines[start : start + count]
    rows += [""] * (len(rows) < count)
    for offset, row in enumerate(rows):
        if not _ROW.fullmatch(row):
            raise DataError(
                f"{source}:{start + offset + 1}: {excerpt(row)} is no face, expected row "
                f"{offset + 1} of {count}: {_COLUMNS} integers 'x y w h {' '.join(ATTRIBUTES)}'"
            )
    if count == 1 and _is_zeros(rows[0]):
        return np.zeros((0, _COLUMNS), np.int64), start + 1
    return np.array([row.split() for row in rows]).astype(np.int64), start + count


def _rows(record: ImageRecord) -> NDArray[np.int64]:
    """Return the rows of a record. The corners are rounded, so that whole pixels stay what they
    are."""
    corners_M4 = np.rint(record.boxes_M4).astype(np.int64)
    rows = np.zeros((len(corners_M4), _COLUMNS), np.int64)
    rows[:, :2] = corners_M4[:, :2]
    rows[:, 2:4] = corners_M4[:, 2:] - corners_M4[:, :2]
    for at, key in enumerate(ATTRIBUTES, 4):
        rows[:, at] = record.attributes.get(key, 0)
    rows[:, 4 + ATTRIBUTES.index("invalid")] |= record.ignored_M
    return rows


def _is_zeros(line: str) -> bool:
    return line.split() == ["0"] * _COLUMNS


def _format_rows(rows: NDArray[np.integer]) -> str:
    if rows.ndim != 2 or rows.shape[1] != _COLUMNS or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(f"rows must be integers (M, {_COLUMNS}), got {rows.dtype} {rows.shape}")
    if np.any(np.abs(rows) >= 10**9):
        raise ValueError("rows must have at most nine digits")
    written = rows.tolist() or [[0] * _COLUMNS]
    return "".join(" ".join(map(str, row)) + " \n" for row in written)


def _record(name: str, path: Path, rows: NDArray[np.int64], exif: Exif) -> ImageRecord:
    corners_M2, sizes_M2 = rows[:, :2], np.maximum(rows[:, 2:4], 0)
    boxes_M4 = np.concatenate([corners_M2, corners_M2 + sizes_M2], axis=1).astype(np.float32)
    attributes = {key: rows[:, 4 + i].copy() for i, key in enumerate(ATTRIBUTES)}
    return ImageRecord(name, path, boxes_M4, attributes, exif)

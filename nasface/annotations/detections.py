"""Detections in the form in which WIDER FACE takes them: one text file per image.

``event/name.txt`` has the image's name, the number of detections, and a row ``x y w h score`` for
each, in pixels. A set of them is a folder or an archive, tar or zip.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasface.annotations.detection_files import text_files
from nasface.annotations.names import ImageNames, by_image, without_suffix
from nasface.errors import DataError
from nasface.io.files import decode_text, write_bytes


class ScoredBoxes(NamedTuple):
    """The N detections of an image: boxes ``x1 y1 x2 y2`` in pixels, (N, 4), and their scores (N,).

    In FDDB the boxes may be ellipses ``major minor angle x y``, (N, 5).
    """

    boxes_N4: NDArray[np.floating]
    scores_N: NDArray[np.floating]

    @classmethod
    def of_rows(cls, rows: NDArray[np.floating]) -> "ScoredBoxes":
        """Return those of rows ``x y w h score``, (N, 5), or of ellipses with a score, (N, 6)."""
        if rows.shape[1] == _ELLIPSE + 1:
            return cls(rows[:, :_ELLIPSE], rows[:, _ELLIPSE])
        corners, sides = rows[:, :2], rows[:, 2:4]
        return cls(np.concatenate([corners, corners + sides], axis=1), rows[:, 4])

    def as_rows(self) -> NDArray[np.float64]:
        """Return the rows ``x y w h score``, (N, 5), or of ellipses with their score, (N, 6)."""
        boxes_N4 = np.asarray(self.boxes_N4, np.float64)
        if boxes_N4.shape[1] == 4:
            sides = boxes_N4[:, 2:] - boxes_N4[:, :2]
            boxes_N4 = np.concatenate([boxes_N4[:, :2], sides], axis=1)
        return np.column_stack([boxes_N4, np.asarray(self.scores_N, np.float64)])


NOTHING = ScoredBoxes(np.empty((0, 4)), np.empty(0))
"""No detection."""

_ELLIPSE = 5
_COLUMNS = 5
_FAR = 1e9


def read_detections(path: Path, names: Iterable[str]) -> dict[str, ScoredBoxes]:
    """Read the detections of images from a folder or a tar or zip archive of such files.

    A tar archive may be compressed by gzip, bzip2 or xz; no archive is unpacked. ``names`` are
    those of the images, ``event/name.jpg`` of any depth. Their files may lie below further folders.

    Returns image -> boxes and scores, float64, in the order of the files; a file of no image is
    there as ``event/name``. A file of no image is taken for a note, and left out, if it lies at the
    top or is of another form.

    Raises:
        DataError: naming file and line, if something is malformed, if there is no such file, or if
            none belongs to an image; and for two images that differ in their suffix only.
    """
    images = ImageNames(names)
    found = by_image(_entries(path, images), images, str(path))
    if not found:
        raise DataError(f"{path}: holds no file of detections such as '{images.example}.txt'")
    return found


def _entries(path: Path, images: ImageNames) -> Iterator[tuple[str, ScoredBoxes, str]]:
    """Yield the name, detections and source of each file that is no note."""
    for name, data, source in text_files(path, images):
        is_of_image = images.find(name) is not None
        if is_of_image or "/" in name:
            try:
                yield name, parse_detections(data, source), source
            except DataError:
                if is_of_image:
                    raise


def named_boxes(
    detections: Mapping[str, tuple[ArrayLike, ArrayLike]], names: Iterable[str]
) -> dict[str, ScoredBoxes]:
    """Return detections that a program made, by the names of their images, as arrays.

    Boxes are ``x1 y1 x2 y2`` in pixels, (N, 4), or ellipses, (N, 5), and scores (N,).

    Raises:
        DataError: naming the image, for other shapes and values that are not finite, and if none is
            of an image in ``names``.
    """
    known = frozenset(names)
    found = {}
    for name, value in detections.items():
        try:
            boxes, scores = (np.asarray(each, np.float64) for each in value)
            if not boxes.size:
                boxes = boxes.reshape(0, 4)
            sides = boxes.shape[1]
            is_fine = scores.shape == (len(boxes),) and boxes.ndim == 2 and sides in (4, _ELLIPSE)
        except (TypeError, ValueError, IndexError):
            is_fine = False
        if not is_fine or not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise DataError(
                f"detections of {name!r}: expected boxes x1 y1 x2 y2 (N, 4) and scores (N,), all "
                "of them finite"
            )
        found[name] = ScoredBoxes(boxes, scores)
    if found and not known & found.keys():
        raise DataError(
            f"detections of no image that is evaluated on: {next(iter(found))!r} is none, expected "
            f"names such as {min(known, default='event/name.jpg')!r}"
        )
    return found


def parse_detections(data: bytes, source: str) -> ScoredBoxes:
    """Return the boxes and scores of one file, float64.

    Raises:
        DataError: with ``source`` and the line.
    """
    text = decode_text(data, source, DataError, "detections").rstrip()
    lines = text.split("\n") if text else []
    if len(lines) < 2 or not re.fullmatch(r"[0-9]{1,9}", lines[1].strip()):
        raise DataError(
            f"{source}:{min(2, len(lines) + 1)}: expected the image's name, the number of "
            "detections, then a row 'x y w h score' for each"
        )
    rows, count = lines[2:], int(lines[1])
    if len(rows) != count:
        raise DataError(
            f"{source}:{len(lines)}: {len(rows)} rows, line 2 announces {lines[1].strip()}"
        )
    values = [row.split() for row in rows]
    try:
        result = np.array(values, np.float64).reshape(count, _COLUMNS)
        if (np.abs(result) < _FAR).all():
            return ScoredBoxes.of_rows(result)
    except ValueError:
        pass
    at = next(at for at, each in enumerate(values) if not _is_row(each))
    raise DataError(
        f"{source}:{at + 3}: {rows[at][:60]!r} is no row 'x y w h score' of numbers below {_FAR:g}"
    )


def detections_file(folder: Path, name: str) -> Path:
    """Return where the detections of the image ``event/name.jpg`` lie in a folder."""
    return folder / f"{without_suffix(name)}.txt"


def write_detections(folder: Path, name: str, found: ScoredBoxes) -> Path:
    """Write the file of the image ``event/name.jpg``; return its path.

    Nine significant digits: boxes of float32 inside an image are read back as they were.
    """
    rows = found.as_rows()
    lines = [PurePosixPath(without_suffix(name)).name, str(len(rows))]
    lines += [" ".join(f"{value:.9g}" for value in row) for row in rows]
    path = detections_file(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, ("\n".join(lines) + "\n").encode())
    return path


def _is_row(values: list[str]) -> bool:
    try:
        numbers = np.abs(np.array(values, np.float64))
        return len(values) == _COLUMNS and bool((numbers < _FAR).all())
    except ValueError:
        return False

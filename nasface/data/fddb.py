"""Files of FDDB (Jain, Learned-Miller, UMass 2010): annotated ellipses and detections, ten folds.

Both are a sequence of blocks: the image's name without a suffix, the number of faces, a row for
each. An ellipse is ``major minor angle x y``: radii in pixels, the angle of the major axis in
radians, the centre. Annotations end with a 1, detections with a score. Detections are ellipses or
rectangles ``x y w h``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasface.data.images import write_atomically
from nasface.data.widerface import check_image_name, read_text
from nasface.errors import DataError

Floats = NDArray[np.floating]

FOLDS = range(1, 11)
_FAR = 1e9
RECTANGLE, ELLIPSE = 5, 6
"""Columns of a row of detections, the score included."""


@dataclass(frozen=True, eq=False)
class FddbImage:
    """``ellipses_M5`` float64 in the order of the file; ``fold`` 1 to 10."""

    name: str
    fold: int
    ellipses_M5: NDArray[np.float64]


def read_fddb_truth(root: Path) -> list[FddbImage]:
    """Read the annotations below ``root``, which is or holds ``FDDB-folds``.

    Raises:
        DataError: naming file and line.
    """
    folder = root / "FDDB-folds" if (root / "FDDB-folds").is_dir() else root
    images: dict[str, FddbImage] = {}
    for fold in FOLDS:
        path = folder / f"FDDB-fold-{fold:02d}-ellipseList.txt"
        for name, rows, place in _blocks(path, (ELLIPSE,)):
            if name in images:
                raise DataError(f"{place}: image {name!r} occurs before, expected each once")
            images[name] = FddbImage(name, fold, rows[:, :5])
    return list(images.values())


def read_fddb_detections(path: Path) -> dict[str, Floats]:
    """Read detections from a file, or from all ``.txt`` files of a folder.

    Returns image name -> rows (N, 5) ``x y w h score`` or (N, 6) of an ellipse and its score; all
    rows of a set of files have the same form.

    Raises:
        DataError: naming file and line.
    """
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: holds no .txt file of detections")
    found: dict[str, Floats] = {}
    columns: tuple[int, ...] = (RECTANGLE, ELLIPSE)
    for file in files:
        for name, rows, place in _blocks(file, columns):
            if name in found:
                raise DataError(f"{place}: image {name!r} occurs before, expected each once")
            found[name] = rows
            if len(rows):
                columns = (rows.shape[1],)
    return found


def write_fddb_detections(
    folder: Path, images: list[FddbImage], found: Mapping[str, Floats]
) -> None:
    """Write ``fold-01-out.txt`` to ``fold-10-out.txt``, as the official tool takes them."""
    for fold in FOLDS:
        lines = []
        for image in (each for each in images if each.fold == fold):
            rows = found.get(image.name, np.empty((0, RECTANGLE)))
            lines += [image.name, str(len(rows))]
            lines += [" ".join(f"{value:.9g}" for value in row) for row in rows]
        text = "".join(line + "\n" for line in lines)
        write_atomically(folder / f"fold-{fold:02d}-out.txt", text.encode())


def _blocks(path: Path, columns: tuple[int, ...]) -> Iterator[tuple[str, NDArray[np.float64], str]]:
    """Name, rows and ``file:line`` of each block; an empty block has the first form."""
    lines = read_text(path).splitlines()
    at = 0
    while at < len(lines):
        name, place = lines[at].strip(), f"{path}:{at + 1}"
        at += 1
        if not name:
            continue
        check_image_name(f"{name}.jpg", place)
        count = lines[at].strip() if at < len(lines) else ""
        if not re.fullmatch(r"[0-9]{1,6}", count):
            raise DataError(f"{path}:{at + 1}: {count[:60]!r} is no number of faces")
        start, at = at + 1, at + 1 + int(count)
        rows: list[list[float]] = []
        for line in range(start, at):
            row = _numbers(lines[line] if line < len(lines) else "")
            if len(row) not in columns or (rows and len(row) != len(rows[0])):
                raise DataError(
                    f"{path}:{line + 1}: expected row {line - start + 1} of {count}: "
                    f"{' or '.join(map(str, columns))} numbers"
                )
            rows.append(row)
        yield name, np.array(rows).reshape(len(rows), len(rows[0]) if rows else columns[0]), place


def _numbers(line: str) -> list[float]:
    """The numbers of a line, below ``_FAR``; none where there is anything else."""
    try:
        values = [float(value) for value in line.split()]
    except ValueError:
        return []
    return values if all(abs(value) < _FAR for value in values) else []

"""Files of FDDB (Jain, Learned-Miller, UMass 2010): annotated ellipses and detections, ten folds.

Both are a sequence of blocks: the image's name without a suffix, the number of faces, a row for
each. An ellipse is ``major minor angle x y``: radii in pixels, the angle of the major axis in
radians, the centre. Annotations end with a 1, detections with a score. Detections are ellipses or
rectangles ``x y w h``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasface.annotations.detection_files import is_archive, text_files
from nasface.annotations.detections import NOTHING, ScoredBoxes
from nasface.annotations.names import (
    ImageNames,
    by_image,
    check_all_there,
    check_image_name,
    locate_images,
    with_suffix,
    without_suffix,
)
from nasface.annotations.records import ImageRecord
from nasface.errors import DataError
from nasface.io.files import decode_text, read_text, write_bytes

FOLDS = range(1, 11)
_FAR = 1e9
_WHAT = "annotations or detections"
_FOLD = re.compile(r"fold[^/]*out[^/]*\Z")
RECTANGLE, ELLIPSE = 5, 6
"""Columns of a row of detections, the score included."""


@dataclass(frozen=True, eq=False)
class FddbImage:
    """``name`` is that of the image, ``2002/08/11/big/img_591.jpg``; ``fold`` 1 to 10, or 0 where
    the annotations are one file. ``ellipses_M5`` float64 in the order of the file.
    """

    name: str
    fold: int
    ellipses_M5: NDArray[np.float64]


def read_fddb_truth(root: Path) -> list[FddbImage]:
    """Read the annotations below ``root``, which is or holds ``FDDB-folds``, or is one file.

    In the folder are ``FDDB-fold-01-ellipseList.txt`` to ``-10-``, or some of them, or one file
    with ``ellipse`` in its name.

    Raises:
        DataError: naming file and line.
    """
    images: dict[str, FddbImage] = {}
    for fold, path in _fold_files(root):
        text = read_text(path, DataError, _WHAT)
        for written, rows, place in _blocks(text, str(path), (ELLIPSE,)):
            plain = written.replace("\\", "/").removeprefix("./")
            name = with_suffix(plain.removeprefix("originalPics/"))
            check_image_name(name, place)
            if name in images:
                raise DataError(f"{place}: image {written!r} occurs before, expected each once")
            images[name] = FddbImage(name, fold, rows[:, :5])
    if not images:
        raise DataError(f"{root}: its annotations name no image")
    return list(images.values())


def is_fddb(root: Path) -> bool:
    """Return whether a folder holds the folds of FDDB."""
    folder = root / "FDDB-folds" if (root / "FDDB-folds").is_dir() else root
    return any(folder.glob("FDDB-fold-*-ellipseList.txt"))


def read_fddb(root: Path, split: str = "all", *, need_images: bool = True) -> list[ImageRecord]:
    """Read the images in ``originalPics`` with the boxes round their ellipses.

    FDDB is made for tests and has no parts: ``split`` is all, or val or test, which are the same.
    Attributes of a face are its ``fold``.

    Raises:
        DataError: naming file and line, an image that is missing, or another split.
    """
    if split not in ("all", "val", "test"):
        raise DataError(f"{root}: FDDB has no split {split!r}, expected all")
    images = read_fddb_truth(root)
    folder = root / "originalPics"
    there = locate_images(folder, [image.name for image in images], any_suffix=True)
    missing = [folder / image.name for image in images if image.name not in there]
    if need_images:
        check_all_there(missing, len(images), str(root / "FDDB-folds"))
    return [
        ImageRecord(
            image.name,
            there.get(image.name, folder.joinpath(*image.name.split("/"))),
            boxes_of_ellipses(image.ellipses_M5).astype(np.float32),
            {"fold": np.full(len(image.ellipses_M5), image.fold)},
        )
        for image in images
    ]


def boxes_of_ellipses(ellipses_M5: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least upright boxes ``x1 y1 x2 y2`` round ellipses, (M, 4)."""
    major, minor, angle, x, y = ellipses_M5.T
    width = np.hypot(major * np.cos(angle), minor * np.sin(angle))
    height = np.hypot(major * np.sin(angle), minor * np.cos(angle))
    return np.stack([x - width, y - height, x + width, y + height], axis=1)


def read_fddb_detections(path: Path, names: Iterable[str]) -> dict[str, ScoredBoxes]:
    """Read detections of images from a file, or from the ``.txt`` files of a folder or a tar or zip
    archive: of those called ``fold-01-out.txt`` and the like or, without any, of all.

    ``names`` are those of the images. In the files they may have a suffix, ``_`` instead of
    ``/``, and folders in front, such as ``originalPics/``. A file of one image may tell it by its
    own name and folders, as files of WIDER FACE do.

    Returns image -> boxes ``x1 y1 x2 y2`` or ellipses (N, 5), with scores; all of a set of files
    have the same form. An entry of no image keeps its name as written.

    Raises:
        DataError: naming file and line, or if none of the entries belongs to an image.
    """
    images = ImageNames(names, joined=True)
    texts = _texts_of_detections(path, images)
    if not texts:
        raise DataError(f"{path}: holds no .txt file of detections")
    found = by_image(_entries(texts, images), images, str(path))
    if not found:
        raise DataError(f"{path}: holds no detections, expected names such as {images.example!r}")
    return found


def write_fddb_detections(
    folder: Path, images: Sequence[FddbImage], found: Mapping[str, ScoredBoxes]
) -> None:
    """Write ``fold-01-out.txt`` to ``fold-10-out.txt``, as the official tool takes them.

    Of annotations in one file, detections are one file as well, ``fold-all-out.txt``.
    """
    for fold in sorted({image.fold for image in images}):
        lines = []
        for image in (each for each in images if each.fold == fold):
            rows = found.get(image.name, NOTHING).as_rows()
            lines += [without_suffix(image.name), str(len(rows))]
            lines += [" ".join(f"{value:.9g}" for value in row) for row in rows]
        text = "".join(line + "\n" for line in lines)
        name = f"{fold:02d}" if fold else "all"
        write_bytes(folder / f"fold-{name}-out.txt", text.encode())


def _fold_files(root: Path) -> list[tuple[int, Path]]:
    """Return the files of annotations, each with its fold."""
    if root.is_file():
        return [(0, root)]
    folder = root / "FDDB-folds" if (root / "FDDB-folds").is_dir() else root
    paths = [(fold, folder / f"FDDB-fold-{fold:02d}-ellipseList.txt") for fold in FOLDS]
    there = [(fold, path) for fold, path in paths if path.is_file()]
    if there:
        return there
    others = sorted(path for path in folder.glob("*.txt") if "ellipse" in path.name.lower())
    if len(others) != 1:
        seen = f"{len(others)} others" if others else "none"
        raise DataError(
            f"{folder}: holds {seen}, expected FDDB-fold-01-ellipseList.txt to "
            "FDDB-fold-10-ellipseList.txt, or all of them as one file"
        )
    return [(0, others[0])]


def _texts_of_detections(path: Path, images: ImageNames) -> list[tuple[str, str, str]]:
    """Return the name without suffix, the text and the source of each file; notes and curves may
    lie beside those called as folds."""
    if not (path.is_dir() or is_archive(path)):
        return [(path.stem, read_text(path, DataError, _WHAT), str(path))]
    files = list(text_files(path, images))
    named = [each for each in files if _FOLD.search(each[0].lower())]
    return [
        (name, decode_text(data, source, DataError, _WHAT), source)
        for name, data, source in named or files
    ]


def _entries(
    texts: Sequence[tuple[str, str, str]], images: ImageNames
) -> Iterator[tuple[str, ScoredBoxes, str]]:
    """Yield the name, detections and place of each block of files of detections."""
    columns: tuple[int, ...] = (RECTANGLE, ELLIPSE)
    for file, text, source in texts:
        blocks = list(_blocks(text, source, columns))
        for name, rows, place in blocks:
            is_file_of_image = len(blocks) == 1 and images.find(name) is None
            own = is_file_of_image and images.find(file) is not None
            yield file if own else name, ScoredBoxes.of_rows(rows), place
            if len(rows):
                columns = (rows.shape[1],)


def _blocks(
    text: str, source: str, columns: tuple[int, ...]
) -> Iterator[tuple[str, NDArray[np.float64], str]]:
    """Yield the name, rows and ``source:line`` of each block; an empty block has the first form."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        name, place = lines[at].strip(), f"{source}:{at + 1}"
        at += 1
        if not name:
            continue
        count = lines[at].strip() if at < len(lines) else ""
        if not re.fullmatch(r"[0-9]{1,6}", count):
            raise DataError(f"{source}:{at + 1}: {count[:60]!r} is no number of faces")
        start, at = at + 1, at + 1 + int(count)
        rows: list[list[float]] = []
        for line in range(start, at):
            row = _numbers(lines[line] if line < len(lines) else "")
            if len(row) not in columns or (rows and len(row) != len(rows[0])):
                raise DataError(
                    f"{source}:{line + 1}: expected row {line - start + 1} of {count}: "
                    f"{' or '.join(map(str, columns))} numbers"
                )
            rows.append(row)
        if rows:
            columns = (len(rows[0]),)
        yield name, np.array(rows).reshape(len(rows), columns[0]), place


def _numbers(line: str) -> list[float]:
    """Return the numbers of a line, below ``_FAR``; none where there is anything else."""
    try:
        values = [float(value) for value in line.split()]
    except ValueError:
        return []
    return values if all(abs(value) < _FAR for value in values) else []

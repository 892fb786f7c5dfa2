"""Detections in the form in which WIDER FACE takes them: one text file per image.

``event/name.txt`` has the image's name, the number of detections, and a row ``x y w h score`` for
each, in pixels. A set of them is a folder or a tar archive.
"""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from nasface.data.images import write_atomically
from nasface.data.widerface import check_image_name
from nasface.errors import DataError

#: N detections ``x y w h score``, (N, 5)
Rows = NDArray[np.floating]

_COLUMNS = 5
_LARGEST_FILE = 64 * 2**20
_FAR = 1e9


def read_detections(path: Path) -> dict[str, Rows]:
    """Read a folder or a ``.tar``, ``.tar.gz``, ``.tar.bz2`` or ``.tar.xz`` archive of such files.

    Returns ``event/name`` -> rows float64 (N, 5), in the order of the files. An archive is not
    unpacked.

    Raises:
        DataError: naming file and line, if something is malformed, or if there is no such file.
    """
    if path.is_dir():
        files = _of_folder(path)
    elif path.is_file():
        files = _of_archive(path)
    else:
        raise DataError(f"{path}: does not exist, expected a folder or a tar archive")
    found: dict[str, Rows] = {}
    for name, data, source in files:
        check_image_name(f"{name}.jpg", source)
        if name in found:
            raise DataError(f"{source}: {name!r} occurs before, expected each image once")
        found[name] = parse_detections(data, source)
    if not found:
        raise DataError(f"{path}: holds no file event/name.txt")
    return found


def parse_detections(data: bytes, source: str) -> Rows:
    """The rows of one file, float64 (N, 5).

    Raises:
        DataError: with ``source`` and the line.
    """
    try:
        lines = data.decode().rstrip().splitlines()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{source}:{line}: is not UTF-8 text, expected detections") from None
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
            return result
    except ValueError:
        pass
    at = next(at for at, each in enumerate(values) if not _is_row(each))
    raise DataError(
        f"{source}:{at + 3}: {rows[at][:60]!r} is no row 'x y w h score' of numbers below {_FAR:g}"
    )


def write_detections(folder: Path, name: str, rows: Rows) -> Path:
    """Write the file of the image ``event/name`` (no suffix); returns its path.

    Nine significant digits: rows of float32 are read back as they were.
    """
    lines = [PurePosixPath(name).name, str(len(rows))]
    lines += [" ".join(f"{value:.9g}" for value in row) for row in rows]
    path = folder / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, ("\n".join(lines) + "\n").encode())
    return path


def _is_row(values: list[str]) -> bool:
    try:
        numbers = np.abs(np.array(values, np.float64))
        return len(values) == _COLUMNS and bool((numbers < _FAR).all())
    except ValueError:
        return False


def _of_folder(folder: Path) -> Iterator[tuple[str, bytes, str]]:
    for path in sorted(folder.rglob("*.txt")):
        if not path.name.startswith(".") and path.is_file() and path.parent != folder:
            try:
                data = path.read_bytes()
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror})") from None
            yield f"{path.parent.name}/{path.stem}", data, str(path)


def _of_archive(path: Path) -> Iterator[tuple[str, bytes, str]]:
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                place = PurePosixPath(member.name)
                hidden = place.name.startswith(".")
                if not member.isfile() or hidden or place.suffix != ".txt" or not place.parent.name:
                    continue
                check_image_name(str(place.with_suffix(".jpg")), f"{path}: {member.name!a}")
                if member.size > _LARGEST_FILE:
                    raise DataError(f"{path}: {member.name}: has {member.size} bytes, too many")
                file = archive.extractfile(member)
                data = b"" if file is None else file.read()
                yield f"{place.parent.name}/{place.stem}", data, f"{path}: {member.name}"
    except DataError:
        raise
    except Exception as error:  # whatever a damaged archive makes of the reader
        raise DataError(f"{path}: is no tar archive that can be read ({error!a:.200})") from None

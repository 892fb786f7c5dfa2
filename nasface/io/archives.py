"""Files inside tar archives, read where they lie: ``train-000000.tar/000000017.jpg`` is a path."""

import errno
import io
import os
import tarfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

TAR = ".tar"
"""Suffix of the archives that are looked into; they are not compressed."""

MemberPlace = tuple[int, int]
"""Where a member lies in its archive: offset and length in bytes."""


def archive_of(path: Path) -> Path | None:
    """Return the archive that a path leads into, None for a path of the file system."""
    return next((each for each in path.parents if each.suffix == TAR and each.is_file()), None)


def file_bytes(path: Path) -> bytes:
    """Read a file, or a member of an archive, as a whole.

    Raises:
        OSError: if there is none, or its archive is damaged.
    """
    archive = archive_of(path)
    if archive is None:
        return path.read_bytes()
    place = archive_members(archive).get(path.relative_to(archive).as_posix())
    if place is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    with archive.open("rb") as file:
        return read_member(file, place)


def open_file(path: Path) -> BinaryIO:
    """Open a file, or a member of an archive, to be read. Raises as :func:`file_bytes`."""
    return path.open("rb") if archive_of(path) is None else io.BytesIO(file_bytes(path))


def archive_members(archive: Path) -> Mapping[str, MemberPlace]:
    """Return the files in an archive, in their order; remembered while it does not change.

    Raises:
        OSError: if it is missing or damaged.
    """
    state = archive.stat()
    return _members(str(archive), state.st_size, state.st_mtime_ns)


def read_member(file: BinaryIO, place: MemberPlace) -> bytes:
    """Read a member of an open archive."""
    offset, length = place
    file.seek(offset)
    return file.read(length)


@lru_cache(maxsize=4096)
def _members(archive: str, size: int, _changed: int) -> Mapping[str, MemberPlace]:
    found: dict[str, MemberPlace] = {}
    try:
        with tarfile.open(archive, "r:") as tar:
            for each in tar:
                if each.isreg() and not each.issparse():
                    found[each.name] = (each.offset_data, each.size)
    except (tarfile.TarError, ValueError, OverflowError) as problem:
        raise OSError(errno.EIO, f"is no whole tar archive ({problem})", archive) from None
    if any(offset + length > size for offset, length in found.values()):
        raise OSError(errno.EIO, "is no whole tar archive (cut short)", archive)
    return MappingProxyType(found)

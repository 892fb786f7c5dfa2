"""The text files of a set of detections: those below a folder, or in a tar or zip archive."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from nasface.annotations.names import ImageNames, check_image_name
from nasface.errors import DataError
from nasface.io.files import files_below

Member = tuple[str, int, Callable[[], bytes]]
"""Name and size of a file in an archive, and what reads it."""

_LARGEST_FILE = 64 * 2**20
_TEXT = ".txt"
_IS_UTF_8 = 0x800


def is_archive(path: Path) -> bool:
    """Return whether a file is a tar archive, compressed or not, or a zip archive."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def text_files(path: Path, images: ImageNames) -> Iterator[tuple[str, bytes, str]]:
    """Yield the name without ``.txt``, the content and the source of each ``.txt`` file, but for
    hidden ones that belong to none of the images.

    A tar archive may be compressed by gzip, bzip2 or xz; no archive is unpacked.

    Raises:
        DataError: if there is no such folder or archive, or a file cannot be read.
    """
    if path.is_dir():
        return _of_folder(path, images)
    if path.is_file():
        return _of_archive(path, images)
    raise DataError(f"{path}: does not exist, expected a folder or a tar or zip archive")


def _of_folder(folder: Path, images: ImageNames) -> Iterator[tuple[str, bytes, str]]:
    """Yield the name without ``.txt``, the content and the source of each file."""
    for path in sorted(files_below(folder)):
        name = path.relative_to(folder).as_posix()
        if _is_text(name, images):
            try:
                data = path.read_bytes()
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror})") from None
            yield name[: -len(_TEXT)], data, str(path)


def _is_text(name: str, images: ImageNames) -> bool:
    if not name.lower().endswith(_TEXT):
        return False
    is_hidden = PurePosixPath(name).name.startswith(".")
    return not is_hidden or images.find(name[: -len(_TEXT)]) is not None


def _of_archive(path: Path, images: ImageNames) -> Iterator[tuple[str, bytes, str]]:
    try:
        with path.open("rb") as file:
            members = _of_zip if file.read(2) == b"PK" else _of_tar
        for member, size, data in members(path):
            # Some programs on Windows write its separator.
            place = str(PurePosixPath(member.replace("\\", "/")))
            if not _is_text(place, images):
                continue
            source = f"{path}: {member}"
            name = place[: -len(_TEXT)]
            check_image_name(f"{name}.jpg", f"{path}: {member!a}")
            if size > _LARGEST_FILE:
                raise DataError(f"{source}: has {size} bytes, expected at most {_LARGEST_FILE}")
            yield name, data(), source
    except DataError:
        raise
    except Exception as error:  # a damaged archive can raise anything
        # Tarfile names everything that it has tried, in lines.
        reason = "" if "\n" in str(error) else f" ({str(error)!a:.200})"
        raise DataError(
            f"{path}: is no tar or zip archive that can be read{reason}; expected a folder, a .zip "
            "or a .tar, compressed or not"
        ) from None


def _of_tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            if member.isfile():
                file = archive.extractfile(member)
                yield member.name, member.size, file.read if file else bytes


def _of_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield _name_in_zip(member), member.file_size, partial(archive.read, member)


def _name_in_zip(member: zipfile.ZipInfo) -> str:
    """Return the name of a member. That of an archive of macOS is in UTF-8, but does not say so,
    and is read in the coding of DOS then."""
    if not member.flag_bits & _IS_UTF_8:
        try:
            return member.filename.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return member.filename

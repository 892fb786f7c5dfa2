"""Names of images: the name relative to the folder of images, ``event/name.jpg``, is the key.

The box files of WIDER FACE and of FDDB leave the suffix out, and are passed around below other
folders; here they are brought back to the names of images.
"""

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeVar
from urllib.parse import unquote

from nasface.errors import DataError

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"),
    *(".jfif", ".jpe", ".mpo", ".gif", ".pgm", ".jp2", ".avif", ".heic", ".heif", ".jxl"),
)
"""Endings, in lower case, of the files that count as images. Those that this build of OpenCV does
not read are named as left out: photographs that nobody looked at would show nothing."""

_NO_LINE = ("Cc", "Cs", "Zl", "Zp")
"""Categories of characters that are no part of a line: controls, surrogates, separators of
lines."""

LEAVE_OUT = "leave them out by --bad-images skip"
"""What to do about images that are missing or cannot be read."""

Value = TypeVar("Value")


def check_image_name(name: str, where: str) -> None:
    """Refuse what is no relative, downward image path that fits on a line of its own.

    Raises:
        DataError: beginning with ``where``.
    """
    unprintable = any(unicodedata.category(c) in _NO_LINE or c == "\ufeff" for c in name)
    climbs = any(part in ("", ".", "..") for part in name.split("/"))
    foreign = "\\" in name or bool(PureWindowsPath(name).drive)
    if unprintable or climbs or foreign or not has_image_suffix(name) or name != name.strip():
        raise DataError(
            f"{where}: {excerpt(name)} is no image name, expected a relative path "
            f"such as 'event/name.jpg' without '..'"
        )


def has_image_suffix(name: str) -> bool:
    """Tell whether a name ends in one of ``IMAGE_SUFFIXES``, in letters of either case."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def is_hidden(name: str) -> bool:
    """Tell whether a relative path, or a folder in it, begins with a full stop, as the copies that
    macOS and Jupyter leave."""
    return any(part.startswith(".") for part in name.split("/"))


def without_suffix(name: str) -> str:
    """Return ``event/a.b`` for ``event/a.b.jpg``; a name without an image suffix stays as it is."""
    return name[: name.rindex(".")] if has_image_suffix(name) else name


def with_suffix(name: str) -> str:
    """Return ``event/a.b.jpg`` for ``event/a.b``; a name with an image suffix stays as it is."""
    return name if has_image_suffix(name) else f"{name}.jpg"


def folded_name(name: str) -> str:
    """Return a name as systems compare it that do not tell the case of letters, or the ways to
    write an accent, apart."""
    return _composed(name).lower()


def excerpt(line: str) -> str:
    """Return a line, or its beginning, in quotes."""
    return repr(line if len(line) <= 60 else line[:57] + "...")


def check_all_there(missing: Sequence[Path], total: int, source: str) -> None:
    """Refuse that some of the images that ``source`` names are missing.

    Raises:
        DataError: naming the first.
    """
    if missing:
        raise DataError(
            f"{missing[0]}: image is missing, as are {len(missing)} of the {total} that {source} "
            f"names, expected all of them{'' if len(missing) == total else f', or {LEAVE_OUT}'}"
        )


def check_distinct(paths: Mapping[str, Path], source: str) -> None:
    """Refuse that two of the names that ``source`` gives to images are of one file.

    Raises:
        DataError: naming both.
    """
    names: dict[Path, str] = {}
    for name, path in paths.items():
        other = names.setdefault(path, name)
        if other != name:
            raise DataError(
                f"{source}: {excerpt(other)} and {excerpt(name)} are the same image, {path.name}; "
                "expected one name for it"
            )


class ImageNames:
    """The images of a data set, to be found by the names of a format that has no suffixes.

    ``joined`` also takes ``_`` instead of ``/``, as files of FDDB in one folder have it.

    Raises:
        DataError: naming two images that differ in their suffix only, which such a format cannot
            tell apart.
    """

    def __init__(self, names: Iterable[str], joined: bool = False) -> None:
        self._names = frozenset(names)
        # macOS takes letters with accents apart in names of files.
        self._whole = {_composed(name): name for name in self._names}
        stems = ((_composed(without_suffix(name)), name) for name in sorted(self._names))
        self._by_stem = _distinct(stems)
        self._folded: dict[str, list[str]] = {}
        for name in sorted(self._names):
            for each in dict.fromkeys((name, without_suffix(name))):
                self._folded.setdefault(folded_name(each), []).append(name)
        self._joined: dict[str, list[str]] = {}
        for stem, name in self._by_stem.items() if joined else ():
            self._joined.setdefault(stem.replace("/", "_"), []).append(name)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    @property
    def example(self) -> str:
        """The first of the names, as such a format has it."""
        return min(self._by_stem, default="event/name")

    def find(self, written: str) -> str | None:
        """Return the image that a file means by ``written``; None if there is no such image.

        The image's own name comes first, without or with its suffix; then folders in front of
        ``written`` are left out, one after the other. If none is found so, letters may differ in
        their case.

        Raises:
            DataError: naming two images, either of which may be meant.
        """
        path = _composed(written).replace("\\", "/")
        parts = [part for part in path.split("/") if part not in ("", ".")]
        names = ["/".join(parts[first:]) for first in range(len(parts))]
        for name in names:
            if name in self._by_stem:
                return self._by_stem[name]
            if name in self._whole:
                return self._whole[name]
            joined = self._joined.get(without_suffix(name).replace("/", "_"), [])
            if joined:
                return _only(joined, written)
        alike = filter(None, (self._folded.get(folded_name(name)) for name in names))
        return next((_only(each, written) for each in alike), None)


def _only(meant: Sequence[str], written: str) -> str:
    if len(meant) > 1:
        raise DataError(f"{written!r} may be image {meant[0]!r} or {meant[1]!r}")
    return meant[0]


def by_image(
    entries: Iterable[tuple[str, Value, str]], images: ImageNames, source: str
) -> dict[str, Value]:
    """Return image -> value of entries (name as written, value, place in a file), in their order.

    An entry of no image keeps the name as written.

    Raises:
        DataError: beginning with the place, for an image that occurs twice; naming ``source``, if
            there are entries and none belongs to an image.
    """
    found: dict[str, Value] = {}
    places: dict[str, str] = {}
    unknown = None
    for written, value, place in entries:
        name = images.find(written)
        key = written if name is None else name
        if key in places:
            raise DataError(f"{place}: image {key!r} occurs before, in {places[key]}")
        if name is None and unknown is None:
            unknown = written
        found[key], places[key] = value, place
    if unknown is not None and not any(name in images for name in found):
        raise DataError(
            f"{source}: has detections of no image that is evaluated on: {excerpt(unknown)} is "
            f"none, expected names such as {images.example!r}"
        )
    return found


def locate_images(folder: Path, names: Iterable[str], any_suffix: bool) -> dict[str, Path]:
    """Return the files of those images that are there.

    Names from addresses may have ``%20`` and the like. A file whose name differs in the case of its
    letters, or in how accents are written, is found as well, if it is the only one: systems that do
    not tell them apart made many annotations. With ``any_suffix``, for names from a format without
    suffixes, so is one that has another image suffix.

    Raises:
        DataError: naming two files, either of which may be meant.
    """
    found: dict[str, Path] = {}
    listings: dict[Path, _Listing] = {}
    names = list(names)
    taken = {folder.joinpath(*name.split("/")) for name in names}
    for name in names:
        path = folder.joinpath(*name.split("/"))
        plain = folder.joinpath(*_decoded(name))
        if os.path.isfile(path):  # Path.is_file raises on names too long for the file system
            found[name] = path
        elif plain not in taken and os.path.isfile(plain):
            found[name] = plain
        else:
            if path.parent not in listings:
                listings[path.parent] = _Listing(path.parent)
            listing = listings[path.parent]
            others = listing.by_stem.get(without_suffix(path.name), []) if any_suffix else []
            for alike in listing.alike(path.name, any_suffix):
                if not others and len(alike) == 1 and alike[0] not in taken:
                    others = alike
            if len(others) > 1:
                raise DataError(f"{others[0]}: is an image of the same name as {others[1].name}")
            if others:
                found[name] = others[0]
    return found


def _decoded(name: str) -> list[str]:
    """Return the parts of a name with the characters that ``%20`` and the like stand for; as
    written, if they would lead elsewhere."""
    written = name.split("/")
    parts = [unquote(part) for part in written]
    is_plain = all(part not in (".", "..") and not set(part) & set("/\\\0") for part in parts)
    return parts if is_plain else written


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


class _Listing:
    """The images of a folder by their names without suffix, and by both as of
    :func:`folded_name`."""

    def __init__(self, folder: Path) -> None:
        self.by_stem: dict[str, list[Path]] = {}
        self.by_folded_name: dict[str, list[Path]] = {}
        self.by_folded_stem: dict[str, list[Path]] = {}
        for path in sorted(folder.iterdir()) if os.path.isdir(folder) else []:
            if has_image_suffix(path.name) and path.is_file():
                stem = without_suffix(path.name)
                self.by_stem.setdefault(stem, []).append(path)
                self.by_folded_name.setdefault(folded_name(path.name), []).append(path)
                self.by_folded_stem.setdefault(folded_name(stem), []).append(path)

    def alike(self, name: str, any_suffix: bool) -> Iterator[list[Path]]:
        """Yield the images of the same folded name, then those of the same one without suffix."""
        yield self.by_folded_name.get(folded_name(name), [])
        if any_suffix:
            yield self.by_folded_stem.get(folded_name(without_suffix(name)), [])


def _distinct(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for short, name in pairs:
        if short in found:
            raise DataError(
                f"images {found[short]!r} and {name!r} are both {short!r} in files of detections, "
                "which have no suffixes; rename one of them"
            )
        found[short] = name
    return found

"""Paths of a data set: its parts, and its images beside the annotations."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath, PureWindowsPath

from nasface.annotations.classes import split_names
from nasface.annotations.names import (
    check_all_there,
    check_distinct,
    excerpt,
    has_image_suffix,
    locate_images,
)
from nasface.errors import DataError
from nasface.io.files import write_text

SPLITS = ("train", "val", "test")
"""Parts that data sets have, by the names that this package calls them."""

LARGEST_ANNOTATIONS = 2**30
"""Bytes of the largest file that holds the annotations of a whole data set."""


def split_folder(root: Path, split: str, below: Sequence[str] = ("",)) -> Path | None:
    """Return the folder of a part, ``root/valid`` say, or one in a folder ``below`` the root."""
    places = (f"{part}/{name}".strip("/") for part in below for name in split_names(split))
    tried = (place_below(root, place) for place in places)
    return next((path for path in tried if path is not None and path.is_dir()), None)


def place_below(root: Path, place: str) -> Path | None:
    """Return what lies at a place below a folder, ``images/train`` say, or at the only one whose
    name differs in the case of its letters; None where there is none."""
    path = root / place
    if os.path.exists(path):
        return path
    path = root
    for part in PurePosixPath(place).parts:
        inside = path / part
        if not os.path.exists(inside):
            alike = [each for each in _entries(path) if each.name.lower() == part.lower()]
            if len(alike) != 1:
                return None
            inside = alike[0]
        path = inside
    return path


def splits_of(root: Path, has_split: Callable[[Path, str], bool]) -> tuple[str, ...]:
    """Return the parts of :data:`SPLITS` that a data set has."""
    return tuple(split for split in SPLITS if has_split(root, split))


def plain_names(written: Iterable[str], root: Path, source: str) -> dict[str, str]:
    """Return the names of images from the paths that a tool wrote on its own machine.

    Separators become ``/``, and ``../`` in front is left out. An absolute path below ``root`` goes
    on from there; of other absolute paths and of addresses, the folders that all of them share are
    left out.

    Raises:
        DataError: naming ``source`` and two images that are not told apart so.
    """
    base = root.resolve().as_posix() + "/"
    names: dict[str, str] = {}
    elsewhere: dict[str, list[str]] = {}
    for each in dict.fromkeys(written):
        name = each.replace("\\", "/").removeprefix("file://")
        while name.startswith(("./", "../")):
            name = name.partition("/")[2]
        if "://" in name:
            name = "/" + re.split("[?#]", name.partition("://")[2])[0]
        if not (name.startswith("/") or PureWindowsPath(name).drive):
            names[each] = name
        elif name.startswith(base):
            names[each] = name.removeprefix(base)
        else:
            path = re.sub("^([A-Za-z]):/", r"\1/", name)  # a drive is a folder like others
            elsewhere[each] = [part for part in path.split("/") if part]
    levels = zip(*(parts[:-1] for parts in elsewhere.values()), strict=False)
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    names |= {each: "/".join(parts[shared:]) for each, parts in elsewhere.items()}
    first: dict[str, str] = {}
    for each, name in names.items():
        other = first.setdefault(name, each)
        if other != each and (other in elsewhere or each in elsewhere):
            raise DataError(
                f"{source}: images {excerpt(other)} and {excerpt(each)} are not told apart; "
                "expected all of them relative to one folder"
            )
    return names


def find_images(
    file: Path,
    tops: Sequence[Path],
    split: str,
    names: Sequence[str],
    need_images: bool = True,
    any_suffix: bool = False,
) -> dict[str, Path]:
    """Return the images that an annotation file names, each with its path.

    They lie below one of ``tops``, or in a folder there that tools give to images, or to those of
    the split that the file's own name tells, else of ``split``; or, all of them, in one other
    folder there. A name may differ from that of its file in the case of its letters. Without
    ``need_images``, some or all may be missing, and have the path where one would expect them.
    ``any_suffix``: as of :func:`locate_images`, also for names that have one.

    Raises:
        DataError: naming images that are missing, or two names of one image.
    """
    words = [
        word for name in split_names(split_of(file) or split) for word in (name, f"{name}2017")
    ]
    usual = ("images", "data", "JPEGImages", "imgs")
    below = ["", *usual, *words, *(f"{each}/{word}" for each in usual for word in words)]
    below += ["images/default", *(f"{word}/{each}" for word in words for each in usual)]
    folders = list(dict.fromkeys(each / part for each in tops for part in below))
    any_suffix = any_suffix or not all(has_image_suffix(name) for name in names)

    def found(folder: Path) -> Mapping[str, Path]:
        return locate_images(folder, names, any_suffix=any_suffix) if folder.is_dir() else {}

    best, there = folders[0], found(folders[0])
    for folder in folders[1:]:
        if len(there) == len(names):
            break
        others = found(folder)
        if len(others) > len(there):
            best, there = folder, others
    if names and not there:
        places = (place_below(each, part) for each in tops for part in below)
        folders = [*folders, *dict.fromkeys(each for each in places if each is not None)]
        best = max(folders, key=lambda folder: len(found(folder)))
        there = found(best)
    if names and not there:
        there = _without_folders(folders, names, any_suffix) or _in_another_folder(
            tops, split, found, names
        )
    if names and not there and need_images:
        raise DataError(f"{file}: image {excerpt(names[0])} is not below {tops[-1]} or its images/")
    check_distinct(there, str(file))
    if need_images:
        missing = [best / name for name in names if name not in there]
        check_all_there(missing, len(names), str(file))
    return {name: there.get(name, best.joinpath(*name.split("/"))) for name in names}


def _in_another_folder(
    tops: Sequence[Path],
    split: str,
    found: Callable[[Path], Mapping[str, Path]],
    names: Sequence[str],
) -> Mapping[str, Path]:
    """Return the images in a folder of any name but that of another split; none if there are
    several."""
    others = {each for top in tops for each in folders_of(top)}
    there = [found(each) for each in others if split_of(each / "-") in (None, split)]
    whole = [each for each in there if len(each) == len(names)]
    return whole[0] if len(whole) == 1 else {}


def _without_folders(
    folders: Sequence[Path], names: Sequence[str], any_suffix: bool
) -> Mapping[str, Path]:
    """Return the images by their names without the first folders, which are those of another place:
    the way that finds most."""
    best: Mapping[str, Path] = {}
    deepest = max(name.count("/") for name in names)
    for left_out in range(1, deepest + 1):
        short = {
            name: "/".join(name.split("/")[left_out:] or name.split("/")[-1:]) for name in names
        }
        if len(set(short.values())) < len(names):
            break
        for folder in folders:
            there = locate_images(folder, short.values(), any_suffix)
            if len(there) > len(best):
                best = {name: there[each] for name, each in short.items() if each in there}
    return best


def split_of(file: Path) -> str | None:
    """Return the split that the name of a file, or that of its folder, tells."""
    said = set(re.split("[^a-z]+", f"{file.stem} {file.parent.name}".lower()))
    return next((split for split in SPLITS if said & set(split_names(split))), None)


def full_names(paths: Mapping[str, Path]) -> dict[str, str]:
    """Return the name as written -> name with the suffix of its file, where it is written without
    one."""
    return {
        name: name if has_image_suffix(name) else name + PurePosixPath(path.name).suffix
        for name, path in paths.items()
    }


def write_below(path: Path, text: str) -> None:
    """Write a text, and make the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def only_file(folder: Path, suffix: str) -> Path | None:
    """Return the file of a suffix in a folder, if there is exactly one."""
    found = files_of(folder, suffix)
    return found[0] if len(found) == 1 else None


def files_of(folder: Path, suffix: str) -> list[Path]:
    """Return the files of a suffix in a folder, sorted; none where there is no such folder."""
    return sorted(path for path in _entries(folder) if path.suffix.lower() == suffix)


def folders_of(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, but for hidden ones."""
    return sorted(path for path in _entries(folder) if path.is_dir())


def _entries(folder: Path) -> Iterable[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(each.path) for each in entries if not each.name.startswith(".")]
    except OSError:
        return []

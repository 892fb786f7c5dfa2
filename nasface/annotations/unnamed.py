"""Images that lie among those of a data set and that its annotations do not name."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from nasface.annotations.names import folded_name, has_image_suffix, is_hidden
from nasface.annotations.records import ImageRecord
from nasface.errors import DataError

ReadPart = Callable[[str], Sequence[ImageRecord]]


def unnamed_images(
    records: Sequence[ImageRecord], others: Sequence[str], read: ReadPart
) -> list[Path]:
    """Return the images in the folders of those read that no part of the data set names, sorted.

    ``read`` reads one of the ``others``, the parts that are not read: parts may share a folder. If
    one of them cannot be read, nothing is known, and none is returned.
    """
    left = _beside(records)
    try:
        for split in others if left else ():
            for record in read(split):
                left.pop(_key(record.path), None)
    except (DataError, OSError):
        return []
    return sorted(left.values())


def say_unnamed(images: Sequence[Path]) -> str:
    """Return that images are left out; empty without any."""
    if not images:
        return ""
    have, more = ("image has", "") if len(images) == 1 else ("images have", ", ...")
    return (
        f"{len(images)} {have} no annotations in the folders that are read, and so left out "
        f"({images[0].name!a:.60}{more})"
    )


def _beside(records: Sequence[ImageRecord]) -> dict[str, Path]:
    """Return the images in the folders of those read, but for these, by their folded paths."""
    named = {_key(record.path) for record in records}
    found: dict[str, Path] = {}
    for folder in dict.fromkeys(record.path.parent for record in records):
        try:
            names = os.listdir(folder)
        except OSError:  # a shard, a folder that is missing or whose name is too long
            continue
        for name in names:
            path = folder / name
            if has_image_suffix(name) and not is_hidden(name) and _key(path) not in named:
                found[_key(path)] = path
    return found


def _key(path: Path) -> str:
    return folded_name(str(path))

"""Data sets as tar shards: ``train-000000.tar``, ``train-000001.tar``, ..., ``val-000000.tar``.

In the order of its images, a shard holds ``000000017.jpg`` and beside it ``000000017.json``: the
image's name, height and width, the boxes, what is said of each face, and whether EXIF turns the
image. That is the convention of webdataset, which reads the same files as a stream. Here they are
read at any place, so that order and batches are those of single files; millions of images are a few
thousand files to the file system.
"""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import numpy as np

from nasface.annotations.classes import split_names
from nasface.annotations.image_size import image_size
from nasface.annotations.layout import splits_of
from nasface.annotations.names import check_image_name, has_image_suffix
from nasface.annotations.records import Exif, ImageRecord
from nasface.errors import DataError
from nasface.io.archives import TAR, archive_members, file_bytes, read_member
from nasface.io.strict_json import to_json

SHARD_BYTES = 256_000_000
"""A shard is closed when it holds so many bytes of images."""

_LARGEST_JSON = 16 * 2**20
_FAR = 1e9


def is_shards(root: Path) -> bool:
    """Return whether a path is a folder of shards."""
    return root.is_dir() and bool(_shards_of(root, ""))


def shard_splits(root: Path) -> tuple[str, ...]:
    """Return the parts that shards are named after; none where they have other names."""
    return splits_of(root, lambda top, split: bool(_shards_of(top, split)))


def read_shards(root: Path, split: str, *, need_images: bool = True) -> list[ImageRecord]:
    """Read the shards of a split, or all where none is named after a part.

    ``path`` of a record leads into its shard, see :mod:`nasface.io.archives`; an image is always
    there.

    Raises:
        DataError: naming shard and member.
    """
    splits = shard_splits(root)
    if splits and split not in splits:
        raise DataError(f"{root}: has no shards of split {split!r}; expected {split}-000000{TAR}")
    found = {}
    for shard in _shards_of(root, split if splits else ""):
        for record in _read_shard(shard):
            if record.name in found:
                raise DataError(f"{record.path}: image {record.name!r} is there twice")
            found[record.name] = record
    if not found:
        raise DataError(f"{root}: its shards hold no image")
    return list(found.values())


def write_shards(
    root: Path,
    parts: Mapping[str, Sequence[ImageRecord]],
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write shards, and remove each image when it is in one."""
    folders = set()
    for split, records in parts.items():
        waiting = iter(enumerate(records))
        count, is_done = 0, False
        while not is_done:
            with tarfile.open(root / f"{split}-{count:06}{TAR}", "w") as tar:
                is_done = _fill(tar, waiting, shard_bytes)
            count += 1
        for record in records:
            record.path.unlink()
            folders |= {each for each in record.path.parents if root in each.parents}
    for folder in sorted(folders, reverse=True):
        folder.rmdir()


def _fill(
    tar: tarfile.TarFile, waiting: Iterator[tuple[int, ImageRecord]], shard_bytes: int
) -> bool:
    """Add images up to a size; return whether none is left."""
    filled = 0
    for at, record in waiting:
        height, width = image_size(record.path, record.exif)
        about = {
            "name": record.name,
            "height": height,
            "width": width,
            "boxes": record.boxes_M4.tolist(),
            "attributes": {key: values.tolist() for key, values in record.attributes.items()},
            "exif": record.exif,
        }
        image = file_bytes(record.path)
        suffix = PurePosixPath(record.name).suffix.lower()
        for name, content in (
            (f"{at:09}{suffix}", image),
            (f"{at:09}.json", to_json(about, indent=None).encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
        filled += len(image)
        if filled >= shard_bytes:
            return False
    return True


def _shards_of(root: Path, split: str) -> list[Path]:
    """Return the shards of a part, in order; of an empty name all."""
    for name in split_names(split):
        found = sorted(root.glob(f"{name}-*{TAR}" if name else f"*{TAR}"))
        if found:
            return found
    return []


def _read_shard(shard: Path) -> Iterator[ImageRecord]:
    try:
        members = archive_members(shard)
        images = {name.rpartition(".")[0]: name for name in members if has_image_suffix(name)}
        with shard.open("rb") as file:
            for stem, image in images.items():
                place = members.get(f"{stem}.json")
                if place is None or place[1] > _LARGEST_JSON:
                    raise DataError(f"{shard}: image {image!r} has no {stem}.json beside it")
                yield _record(shard / image, read_member(file, place), f"{shard}: {stem}.json")
    except OSError as problem:
        raise DataError(f"{shard}: {problem.strerror or problem}") from None


def _record(path: Path, text: bytes, where: str) -> ImageRecord:
    try:
        about: dict[str, Any] = json.loads(text)
        name, exif = about["name"], about.get("exif", "ignore")
        boxes_M4 = np.array(about["boxes"], np.float64).reshape(-1, 4)
        attributes = {
            str(key): np.array(values, np.int64).reshape(len(boxes_M4))
            for key, values in about.get("attributes", {}).items()
        }
        if not (np.abs(boxes_M4) < _FAR).all() or exif not in get_args(Exif):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise DataError(
            f"{where}: is no description of an image, expected name, boxes as x1 y1 x2 y2, and "
            "numbers of each face in attributes"
        ) from None
    check_image_name(str(name), where)
    low, high = boxes_M4[:, :2], boxes_M4[:, 2:]
    boxes_M4[:, 2:] = np.where(high < low, low, high)  # maximum would change the sign of a zero
    return ImageRecord(str(name), path, boxes_M4.astype(np.float32), attributes, exif)

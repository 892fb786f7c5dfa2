"""From one form of a data set to another, and what is lost on the way."""

import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from nasface.annotations.form import DatasetFormat, DatasetWriter
from nasface.annotations.formats import DATASET_FORMATS, find_format
from nasface.annotations.image_size import image_size
from nasface.annotations.names import excerpt, is_hidden, without_suffix
from nasface.annotations.records import IGNORED_BY, ImageRecord
from nasface.data.images import read_orientation
from nasface.data.orientation import boxes_as_shown, boxes_as_stored
from nasface.data.reading import ReadConfig, read_split
from nasface.errors import ConfigError, DataError, check_choice, check_kind, one_of
from nasface.io.archives import archive_of, file_bytes
from nasface.io.files import draft_folder
from nasface.progress import Progress

ImageTransfer = Literal["copy", "link"]
"""How images come into a converted data set."""

ALIASES = {"wider": "widerface"}


@dataclass(frozen=True)
class Conversion:
    """What was written: images and faces of each part, what was lost, in words, and the names of
    images that cannot be read and were left out, by part."""

    source: Path
    source_format: str
    out: Path
    format: str
    images: Mapping[str, int]
    faces: Mapping[str, int]
    lost: tuple[str, ...]
    left_out: Mapping[str, Sequence[str]]

    def figures(self) -> dict[str, Any]:
        """Return the same as plain values."""
        return {
            "source": str(self.source),
            "source_format": self.source_format,
            "out": str(self.out),
            "format": self.format,
            "images": dict(self.images),
            "faces": dict(self.faces),
            "lost": list(self.lost),
            "left_out": {split: list(names) for split, names in self.left_out.items()},
        }


def convert_dataset(
    source: Path, to: str, out: Path, images: ImageTransfer, progress: Progress, config: ReadConfig
) -> Conversion:
    """Write a data set in another form; see :func:`nasface.convert`.

    Raises:
        ConfigError, DataError, OutputError: as said there.
    """
    check_choice("images", images, get_args(ImageTransfer))
    target, writer = _writer(to)
    if out.exists():
        raise DataError(f"{out}: exists; choose another folder")
    form = find_format(source, config.data_format or None)
    checks = {split: read_split(source, split, config, progress) for split in config.splits(source)}
    read = {split: check.readable for split, check in checks.items()}
    names = _names(read, target.name, writer)
    progress.start("convert", sum(map(len, read.values())))
    losses: Counter[str] = Counter()
    with draft_folder(out) as making:
        parts = {
            split: [
                _moved(record, names[split][record.name], split, making, writer, images, losses)
                for record in _told(records, progress)
            ]
            for split, records in read.items()
        }
        writer.write(making, parts)
    return Conversion(
        source,
        form.name,
        out,
        target.name,
        {split: len(records) for split, records in parts.items()},
        {split: sum(len(each.boxes_M4) for each in records) for split, records in parts.items()},
        tuple(_in_words(losses, form, target.name, any(map(len, read.values())))),
        {split: check.left_out for split, check in checks.items() if check.left_out},
    )


def _writer(name: str) -> tuple[DatasetFormat, DatasetWriter]:
    known = [each for each, form in DATASET_FORMATS.items() if form.writer is not None]
    check_kind("to", name, str, one_of("", known))
    form = DATASET_FORMATS.get(ALIASES.get(name, name))
    if form is None or form.writer is None:
        raise ConfigError(f"to: no form {name!r} to write; expected {one_of(name, known)}")
    return form, form.writer


def _told(records: Sequence[ImageRecord], progress: Progress) -> Iterator[ImageRecord]:
    for record in records:
        yield record
        progress.advance()


def _names(
    parts: Mapping[str, Sequence[ImageRecord]], form: str, writer: DatasetWriter
) -> dict[str, dict[str, str]]:
    """Return part -> name -> name in the new form: where parts share a folder and a name, each part
    has a folder of its own in it."""

    def key(name: str) -> str:
        return without_suffix(name) if writer.stems else name

    counts = Counter(key(each.name) for records in parts.values() for each in records)
    several = writer.one_folder and max(counts.values(), default=0) > 1
    found = {
        split: {each.name: f"{split}/{each.name}" if several else each.name for each in records}
        for split, records in parts.items()
    }
    for names in found.values():
        taken: dict[str, str] = {}
        for name in names.values():
            if writer.lists_folder and is_hidden(name):
                raise DataError(
                    f"image {excerpt(name)} is hidden, and would not be found in the form {form}; "
                    "rename it"
                )
            if key(name) in taken:
                raise DataError(
                    f"images {excerpt(taken[key(name)])} and {excerpt(name)} cannot be told apart "
                    f"in the form {form}; rename one of them"
                )
            taken[key(name)] = name
    return found


def _moved(
    record: ImageRecord,
    name: str,
    split: str,
    root: Path,
    writer: DatasetWriter,
    images: ImageTransfer,
    losses: Counter[str],
) -> ImageRecord:
    """Return the record in the new data set, with its image; count what is lost."""
    path = root / writer.image.format(split=split, name=name)
    path.parent.mkdir(parents=True, exist_ok=True)
    _transfer(record.path, path, images)
    boxes = record.boxes_M4
    exif = writer.exif or record.exif
    if record.exif != exif and (orientation := read_orientation(record.path)) != 1:
        size = image_size(record.path, record.exif)
        turn = boxes_as_stored if record.exif == "apply" else boxes_as_shown
        boxes = turn(boxes, orientation, size)
        losses["turned"] += 1
    for key, values in record.attributes.items():
        is_kept = writer.keeps_all or key in (*writer.keeps, *IGNORED_BY, "fold")
        if not is_kept:
            losses[f"attribute {key}"] += int((values != 0).sum())
    kept = np.ones(len(boxes), bool)
    if not writer.keeps_ignored:
        kept = ~record.ignored_M
        losses["ignored"] += int((~kept).sum())
    if writer.cuts:
        height, width = image_size(record.path, exif)
        cut = boxes.clip(0, np.array([width, height, width, height], np.float32))
        losses["cut"] += int((cut != boxes).any(axis=1)[kept].sum())
        boxes = cut
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        losses["empty"] += int((kept & ~has_area).sum())
        kept &= has_area
    if writer.whole_pixels:
        losses["rounded"] += int((np.rint(boxes) != boxes).any(axis=1)[kept].sum())
    attributes = {key: values[kept] for key, values in record.attributes.items()}
    return replace(
        record,
        name=name,
        path=path,
        boxes_M4=boxes[kept],
        attributes=attributes,
        exif=exif,
    )


def _transfer(source: Path, path: Path, images: ImageTransfer) -> None:
    is_packed = archive_of(source) is not None
    if is_packed and images == "link":
        raise ConfigError(f"images: {source} lies in an archive, expected copy in place of link")
    try:
        if is_packed:
            path.write_bytes(file_bytes(source))
        elif images == "copy":
            shutil.copyfile(source, path)
        else:
            _link(source.resolve(), path)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(problem.errno, reason, str(path)) from None  # no fault of the source
        raise DataError(f"{source}: image cannot be taken over ({reason})") from None


def _link(source: Path, path: Path) -> None:
    """Make a symbolic link or, where a user may make none, as on Windows, a hard one."""
    try:
        path.symlink_to(source)
    except (OSError, NotImplementedError):
        os.link(source, path)


_WORDS = {
    "ignored": "{} ignored faces left out: the form cannot mark them",
    "cut": "{} boxes cut at the border of their image",
    "empty": "{} faces without an area inside their image left out",
    "rounded": "{} boxes rounded to whole pixels",
    "turned": "{} images are turned by EXIF: their boxes are turned the way the form has them",
}


def _in_words(
    losses: Mapping[str, int], source: DatasetFormat, target: str, has_images: bool
) -> Iterator[str]:
    if source.unread and source.name != target and has_images:
        yield source.unread
    for key, count in losses.items():
        if count and key in _WORDS:
            yield _WORDS[key].format(count)
    others = [f"{key.split()[1]} ({n} faces)" for key, n in losses.items() if n and " " in key]
    if others:
        yield f"attributes without a place: {', '.join(others)}"

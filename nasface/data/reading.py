"""Reading a part of a data set for a job: how, and what about images that cannot be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasface.annotations.formats import DataConfig
from nasface.annotations.names import LEAVE_OUT
from nasface.annotations.records import AnnotatedDataset, ImageRecord
from nasface.data.check import BadImages, DataCheck, check_records
from nasface.data.decoded import DECODES_ANEW, DecodedImages
from nasface.errors import DataError
from nasface.kinds import Settings
from nasface.progress import Progress

PARTS = {"train": "training", "val": "validation"}
"""What the splits of a data set are called."""


def part_name(split: str) -> str:
    """Return what a split is called in messages."""
    return PARTS.get(split, split)


@dataclass(frozen=True, kw_only=True)
class _DataFolder(Settings):
    """Which data set is read; a class of its own, so that its setting stands before how."""

    data: str = ""
    """Folder of annotated images with a train and a val part, such as `nasface sample` writes, in
    any form of --data-format."""


@dataclass(frozen=True, kw_only=True)
class ReadConfig(DataConfig, _DataFolder):
    """The data set, and settings for reading it."""

    bad_images: BadImages = "stop"
    """stop: an image that cannot be read ends the command before it begins; skip: such images are
    left out and reported. In an evaluation their faces count as not found."""


def read_split(
    root: Path,
    split: str,
    config: ReadConfig,
    progress: Progress,
    decoded: DecodedImages = DECODES_ANEW,
) -> DataCheck:
    """Read the annotations and look at every image of a part of a data set; note what is wrong.

    Raises:
        DataError: if the annotations cannot be used; for an image that cannot be read or is missing
            if ``config.bad_images`` is "stop", or if no image can be read.
    """
    records = config.read(root, split, need_images=config.bad_images == "stop")
    return check_images(records, config.bad_images, part_name(split), progress, decoded=decoded)


def check_images(
    records: Sequence[ImageRecord],
    rule: BadImages,
    part: str,
    progress: Progress,
    has_boxes: bool = True,
    decoded: DecodedImages = DECODES_ANEW,
) -> DataCheck:
    """Look at every image; note what is wrong, and what was taken for granted.

    ``part`` names the images in messages, and ``has_boxes`` says whether their faces are known as
    boxes. What is kept ``decoded`` was read before.

    Raises:
        DataError: for an image that cannot be read if the rule is "stop", or if none can be read.
    """
    if isinstance(records, AnnotatedDataset) and records.assumed:
        progress.note(f"{part} images: {records.assumed}")
    check = check_records(records, progress, has_boxes=has_boxes, decoded=decoded)
    bad = check.unreadable
    if bad and (rule == "stop" or not check.readable):
        hint = f", or {LEAVE_OUT}" if check.readable else ""
        raise DataError(
            f"{bad[0][1]}; {len(bad)} of {len(check.records)} {part} images cannot be read; repair "
            f"them{hint}"
        )
    for finding in check.findings:
        if finding.is_problem or finding.kind == "turned":
            left_out = "left out, " if finding.kind == "unreadable" else ""
            progress.note(f"{part} images: {left_out}{finding}")
    return check


def describe_data(parts: Mapping[str, DataCheck]) -> dict[str, Any]:
    """Return what a job reads, as plain values for its run folder."""
    return {
        part: {
            "images": len(check.readable),
            "faces": sum(int(record.valid_M.sum()) for record in check.readable),
            "left_out": check.left_out,
            "exif": ", ".join(sorted({record.exif for record in check.records})),
            "turned_by_exif": sum(each.orientation != 1 for each in check.facts),
        }
        for part, check in parts.items()
    }

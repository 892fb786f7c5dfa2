"""``nasface convert``."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.annotations.formats import DataConfig
from nasface.api.converting import convert
from nasface.cli.console import console_progress, print_json, say
from nasface.cli.options import parse
from nasface.data.check import BadImages
from nasface.data.convert import ImageTransfer


@dataclass(kw_only=True)
class ConvertCommand:
    """Convert a data set to another format, with its images; report what the format cannot hold.

    Reads whatever `--data` of the other commands does. All parts are taken; a data set without
    parts is all for training, unless --val-fraction or --split-file divide it.
    """

    settings: Annotated[DataConfig, tyro.conf.arg(name="")]
    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DATA")]
    """Folder of the data set, or its .json, .yaml, .csv or label.txt file."""
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """New folder."""
    to: str
    """Form to write: widerface, coco, yolo, retinaface, voc, csv or shards (tar files)."""
    images: ImageTransfer = "copy"
    """copy the images, or link to them where they are."""
    bad_images: BadImages = "stop"
    """stop: an image that cannot be read ends the command before it begins; skip: such images are
    left out and reported."""
    json: bool = False
    """Print what was written and lost as JSON."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse(ConvertCommand, arguments, "convert")
    settings = {key: value for key, value in asdict(command.settings).items() if value}
    with console_progress() as progress:
        found = convert(
            command.source,
            command.to,
            command.out,
            images=command.images,
            progress=progress,
            bad_images=command.bad_images,
            **settings,
        )
    if command.json:
        print_json(found.figures())
        return 0
    for split, count in found.images.items():
        say(f"{split:<10} {count} images, {found.faces[split]} faces")
    for text in found.lost:
        say(f"lost       {text}")
    for split, names in found.left_out.items():
        say(f"left out   {len(names)} of {split} that cannot be read")
    say(f"written    {found.out} ({found.format}, from {found.source_format})")
    return 0

"""``nasface detect``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Annotated

import tyro

from nasface.api.detecting import detect_files
from nasface.cli.console import console_progress, count_of, print_json, say
from nasface.cli.detail import detail
from nasface.cli.options import parse
from nasface.engine.detect import LEFT_OUT, SHEET, DetectConfig
from nasface.errors import ConfigError, DataError
from nasface.models import DEFAULT_MODEL, released_model


@dataclass(kw_only=True)
class DetectCommand:
    """Find faces in images and videos, with a released detector or one of your own.

    Writes them with boxes drawn, a sheet of the first ones (overview.jpg), detections.json and the
    same in COCO's form (coco.json). Boxes are x1 y1 x2 y2 in pixels of the image as it is shown
    (EXIF rotation applied). What cannot be read is left out and listed in left_out.txt. Ctrl-C ends
    a camera or a stream, and keeps what was found so far.
    """

    settings: Annotated[DetectConfig, tyro.conf.arg(name="")]
    inputs: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="INPUT ...")]
    """Image and video files, folders to look through, patterns such as 'holiday/*.jpg', camera:0
    for the first camera, or the address of a stream such as rtsp://host/path. A folder of earlier
    results is not looked into."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """New folder of the results; by default detections, or the first of detections-2, detections-3
    and so on that is not there."""
    model: str = ""
    """Released detector, instead of --weights: asfd-nano (the default), asfd-small or asfd-d0."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""
    json: bool = False
    """Print the detections as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse(DetectCommand, arguments, "detect")
    settings = command.settings
    if not command.inputs:
        raise DataError("expected images, videos or folders, such as: nasface detect PHOTO.jpg")
    if command.model:
        if settings.weights != DEFAULT_MODEL:
            raise ConfigError("model: not together with weights; name one of them")
        settings = replace(settings, weights=released_model(command.model).name)
    out = command.out or _free_folder()
    with console_progress() as progress:
        found = detect_files(None, command.inputs, out, settings, progress=progress)
    if command.json:
        print_json(found.rows())
    else:
        if detail() == "verbose":
            say(f"engine     {found.engine}")
        faces, images = count_of(found.total, "face"), count_of(len(found.faces), "image")
        say(f"{faces} in {images}, {len(found.unread)} left out")
        if found.unread or found.notes:
            say(f"left out   {out / LEFT_OUT}")
        if found.shown:
            say(f"overview   {out / SHEET}")
    if found.stopped:
        return 130
    return 0 if found.faces else 2


def _free_folder() -> Path:
    """Return the first default name that nothing has."""
    names = (Path("detections" if number == 1 else f"detections-{number}") for number in count(1))
    return next(path for path in names if not path.exists())

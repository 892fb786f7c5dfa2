"""``nasface detect``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.api.detecting import detect_files
from nasface.cli.console import ConsoleProgress, print_json, say
from nasface.cli.options import parse
from nasface.engine.detect import LEFT_OUT, SHEET, DetectConfig


@dataclass(kw_only=True)
class DetectCommand:
    """Find faces in images and videos.

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
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """New folder of the results."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""
    json: bool = False
    """Print the detections as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    command = parse(DetectCommand, arguments, "detect")
    with ConsoleProgress() as progress:
        found = detect_files(None, command.inputs, command.out, command.settings, progress=progress)
    if command.json:
        print_json(found.rows())
    else:
        say(f"{found.total} faces in {len(found.faces)} images, {len(found.unread)} left out")
        if found.unread or found.notes:
            say(f"left out   {command.out / LEFT_OUT}")
        if found.shown:
            say(f"overview   {command.out / SHEET}")
    if found.stopped:
        return 130
    return 0 if found.faces else 2

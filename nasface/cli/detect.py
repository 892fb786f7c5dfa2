"""``nasface detect``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from nasface.api.detector import load_detector
from nasface.cli.console import ConsoleProgress, print_json, say
from nasface.cli.options import parse
from nasface.data.inputs import list_inputs
from nasface.data.reading import check_images
from nasface.data.records import ImageRecord
from nasface.engine.config import DetectConfig
from nasface.engine.detect import LEFT_OUT, SHEET, Finder
from nasface.errors import ConfigError
from nasface.progress import stop_on_interrupt
from nasface.runs.folder import RunFolder, is_run_folder


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
    settings = command.settings
    if not settings.weights:
        raise ConfigError("weights: is missing; expected a file of nasface train or an .onnx file")
    inputs = list_inputs(command.inputs, is_run_folder)
    if settings.bad_images == "stop":
        _check(list(inputs.images))
    detector = load_detector(settings.weights, settings.device).network()
    folder = RunFolder(command.out)
    folder.create(settings)
    finder = Finder(detector, settings, folder)
    with ConsoleProgress() as progress, stop_on_interrupt() as stop:
        for result in inputs.results:
            progress.note(f"not looked at: {result}, which holds results")
        try:
            finder.images(list(inputs.images), progress, stop)
            for video in inputs.videos:
                finder.video(video, progress, stop)
        finally:
            finder.finish()
    found = finder.found
    if command.json:
        print_json(found.rows())
    else:
        say(f"{found.total} faces in {len(found.faces)} images, {len(found.unread)} left out")
        if found.unread or found.notes:
            say(f"left out   {command.out / LEFT_OUT}")
        if found.shown:
            say(f"overview   {command.out / SHEET}")
    if stop.asked:
        return 130
    return 0 if found.faces else 2


def _check(paths: Sequence[Path]) -> None:
    """Raise :class:`DataError` for an image that cannot be read."""
    records = [ImageRecord(str(path), path, np.empty((0, 4), np.float32), {}) for path in paths]
    with ConsoleProgress() as progress:
        check_images(records, "stop", "given", progress, has_boxes=False)

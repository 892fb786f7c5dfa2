"""``nasface detect``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray

from nasface.cli.console import ConsoleProgress, print_json, say
from nasface.cli.options import parse
from nasface.data.images import list_images, read_image, write_image
from nasface.errors import ConfigError, DataError
from nasface.evaluation.predict import detect, detections_as_rows
from nasface.faces.types import Detections
from nasface.faces.weights import load_detector
from nasface.run.config import DetectConfig
from nasface.run.folder import RunFolder
from nasface.run.job import choose_device
from nasface.view.photographs import contact_sheet, draw_boxes

#: images on the sheet that shows the first ones at a glance
OVERVIEW = 24


@dataclass(kw_only=True)
class DetectCommand:
    """Find faces in images; write the images with boxes drawn, a sheet of the first ones, and JSON.

    Boxes are x1 y1 x2 y2 in pixels of the image as it is shown (EXIF rotation applied). An image
    that cannot be read is listed and left out.
    """

    settings: Annotated[DetectConfig, tyro.conf.arg(name="")]
    images: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, or folders to look through."""
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
        raise ConfigError("weights: is missing; expected a .safetensors file of nasface train")
    paths = list_images(command.images)
    detector = load_detector(Path(settings.weights), choose_device(settings.device)).detector
    folder = RunFolder(command.out)
    folder.create(settings)
    found: dict[str, Detections] = {}
    shown: list[NDArray[np.uint8]] = []
    unread = 0
    with ConsoleProgress() as progress:
        progress.start("detect", len(paths))
        for at, path in enumerate(paths):
            try:
                image = read_image(path)
            except DataError as error:
                progress.note(f"left out: {error}")
                unread += 1
                progress.advance()
                continue
            every = detect(detector, image, settings.test)
            kept = every.scores_N >= settings.threshold
            faces = Detections(every.boxes_N4[kept], every.scores_N[kept])
            found[str(path)] = faces
            drawn = draw_boxes(image, faces.boxes_N4.numpy(), faces.scores_N.numpy())
            write_image(command.out / f"{at:05d}_{path.stem}.jpg", drawn)
            if len(shown) < OVERVIEW:
                shown.append(drawn)
            progress.advance({"faces": len(faces)})
    if shown:
        write_image(command.out / "overview.jpg", contact_sheet(shown, 6, (240, 280)))
    rows = detections_as_rows(found, found.values())
    folder.write_json("detections.json", rows)
    if command.json:
        print_json(rows)
        return 0 if found else 2
    faces_found = sum(len(each) for each in found.values())
    say(f"{faces_found} faces in {len(found)} images, {unread} images left out")
    say(f"overview   {command.out / 'overview.jpg'}")
    return 0 if found else 2

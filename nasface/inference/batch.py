"""Detections of a list of images, written as they are made, so that a stopped job can go on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from nasface.annotations.detections import (
    ScoredBoxes,
    detections_file,
    parse_detections,
    write_detections,
)
from nasface.annotations.records import ImageRecord
from nasface.data.images import read_image
from nasface.inference.predict import InferenceConfig, detect
from nasface.progress import Progress
from nasface.structures import Detections


def detect_images(
    detector: nn.Module,
    images: Sequence[ImageRecord],
    inference: InferenceConfig,
    progress: Progress,
    folder: Path | None = None,
) -> dict[str, ScoredBoxes]:
    """Detect faces in images; return name -> boxes and scores, float32.

    With a ``folder``, each image's detections are written there at once, as ``event/name.txt``
    for ``event/name.jpg``, and files that are there already are read instead of made again; what is
    read is what was written, to the last digit.

    Raises:
        DataError: naming an image that cannot be read.
    """
    found: dict[str, ScoredBoxes] = {}
    progress.start("detect", len(images))
    for each in images:
        file = None if folder is None else detections_file(folder, each.name)
        if file is not None and file.is_file():
            boxes, scores = parse_detections(file.read_bytes(), str(file))
            found[each.name] = ScoredBoxes(boxes.astype(np.float32), scores.astype(np.float32))
        else:
            image = read_image(each.path, exif=each.exif == "apply")
            found[each.name] = scored_boxes(detect(detector, image, inference))
            if folder is not None:
                write_detections(folder, each.name, found[each.name])
        progress.advance()
    return found


def scored_boxes(found: Detections) -> ScoredBoxes:
    """Return the detections as arrays."""
    return ScoredBoxes(found.boxes_N4.numpy(), found.scores_N.numpy())

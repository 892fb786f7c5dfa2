"""Detections of a list of images, written as they are made, so that a stopped job can go on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from nasface.data.detections import (
    Rows,
    detections_file,
    parse_detections,
    write_detections,
)
from nasface.data.images import read_image
from nasface.data.records import ImageRecord
from nasface.inference.predict import InferenceConfig, detect
from nasface.progress import Progress
from nasface.structures import Detections


def detect_images(
    detector: nn.Module,
    images: Sequence[ImageRecord],
    inference: InferenceConfig,
    progress: Progress,
    folder: Path | None = None,
) -> dict[str, Rows]:
    """Detect faces in images; gives name -> rows ``x y w h score``, float32 (N, 5).

    With a ``folder``, each image's detections are written there at once, as ``event/name.txt``
    for ``event/name.jpg``, and files that are there already are read instead of made again; what is
    read is what was written, to the last digit.

    Raises:
        DataError: naming an image that cannot be read.
    """
    found: dict[str, Rows] = {}
    progress.start("detect", len(images))
    for each in images:
        file = None if folder is None else detections_file(folder, each.name)
        if file is not None and file.is_file():
            rows = parse_detections(file.read_bytes(), str(file)).astype(np.float32)
        else:
            image = read_image(each.path, exif=each.exif == "apply")
            rows = as_rows(detect(detector, image, inference))
            if folder is not None:
                write_detections(folder, each.name, rows)
        found[each.name] = rows
        progress.advance({"faces": len(rows)})
    return found


def as_rows(found: Detections) -> NDArray[np.float32]:
    """Detections as rows ``x y w h score``, (N, 5)."""
    boxes, scores = found.boxes_N4.numpy(), found.scores_N.numpy()
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([boxes[:, :2], sides, scores[:, None]], axis=1, dtype=np.float32)

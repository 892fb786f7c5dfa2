"""Detections of a list of images, written as they are made, so that a stopped job can go on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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
from nasface.errors import DataError
from nasface.inference.predict import InferenceConfig, detect
from nasface.progress import Progress
from nasface.structures import Detections


@dataclass
class Detected:
    """Rows ``x y w h score``, float32 (N, 5), by image, and the images that could not be read."""

    rows: dict[str, Rows] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def detect_images(
    detector: nn.Module,
    images: Sequence[tuple[str, Path]],
    test: InferenceConfig,
    progress: Progress,
    folder: Path | None = None,
) -> Detected:
    """Detect faces in images given as (name, path), in their pixels as stored (EXIF left alone).

    With a ``folder``, each image's detections are written there at once, as ``event/name.txt``
    for ``event/name.jpg``, and files
    that are there already are read instead of made again; what is read is what was written, to the
    last digit. An image that cannot be read is noted and left out.
    """
    found = Detected()
    progress.start("detect", len(images))
    for name, path in images:
        file = None if folder is None else detections_file(folder, name)
        if file is not None and file.is_file():
            found.rows[name] = parse_detections(file.read_bytes(), str(file)).astype(np.float32)
        else:
            try:
                image = read_image(path, exif=False)
            except DataError as error:
                progress.note(f"left out: {error}")
                found.unread.append(name)
                progress.advance()
                continue
            found.rows[name] = as_rows(detect(detector, image, test))
            if folder is not None:
                write_detections(folder, name, found.rows[name])
        progress.advance({"faces": len(found.rows[name])})
    return found


def as_rows(found: Detections) -> NDArray[np.float32]:
    """Detections as rows ``x y w h score``, (N, 5)."""
    boxes, scores = found.boxes_N4.numpy(), found.scores_N.numpy()
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([boxes[:, :2], sides, scores[:, None]], axis=1, dtype=np.float32)

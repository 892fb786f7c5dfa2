"""Detected faces, and pictures of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nasface.data.images import write_image
from nasface.inference.annotate import draw_boxes
from nasface.inference.pictures import Picture, as_image
from nasface.io.files import as_path
from nasface.structures import Detections


@dataclass(frozen=True, eq=False)
class DrawnImage:
    """A picture uint8 (H, W, 3) RGB; a notebook shows it."""

    pixels: NDArray[np.uint8]

    def save(self, path: str | Path) -> Path:
        """Write it in the format of the suffix; a file that is there is replaced.

        Raises:
            DataError: for a suffix of no image format. OutputError: if it cannot be written.
        """
        path = as_path(path, "path")
        write_image(path, self.pixels)
        return path

    def __repr__(self) -> str:
        height, width = self.pixels.shape[:2]
        return f"DrawnImage({width} x {height} pixels)"

    def _repr_png_(self) -> bytes:
        """Return what a notebook shows."""
        _, data = cv2.imencode(".png", cv2.cvtColor(self.pixels, cv2.COLOR_RGB2BGR))
        return data.tobytes()


@dataclass(frozen=True, eq=False, repr=False)
class Faces(Detections):
    """The faces found in one picture; ``source`` is its file, where it came from one.

    ``for (x1, y1, x2, y2), score in faces`` goes through them, ``faces[faces.scores > 0.9]`` has
    some of them.
    """

    source: Path | None = None

    def __iter__(self) -> Iterator[tuple[list[float], float]]:
        """Yield box ``[x1, y1, x2, y2]`` and score of each face, as plain numbers."""
        yield from zip(self.boxes.tolist(), self.scores.tolist(), strict=True)

    def __getitem__(self, which: "int | slice | list[int] | Tensor") -> "Faces":
        """Return some of the faces, also where it is one: a number, a slice, a mask or numbers.

        Raises:
            IndexError: for a face that is not there. TypeError: for anything else.
        """
        if which is None or isinstance(which, bool | float | str | tuple):
            raise TypeError(f"expected a number, a slice, a mask or numbers, got {which!r:.60}")
        return Faces(self.boxes[which].reshape(-1, 4), self.scores[which].reshape(-1), self.source)

    def draw(self, image: Picture | None = None) -> DrawnImage:
        """Draw boxes and scores on a copy of the picture, by default that of its file.

        Raises:
            ValueError: without ``image``, if the picture did not come from a file.
            DataError: if the file cannot be read any more.
        """
        picture = self.source if image is None else image
        if picture is None:
            raise ValueError("the picture is not a file; expected it as argument: draw(image)")
        boxes, scores = self.boxes.numpy(), self.scores.numpy()
        return DrawnImage(draw_boxes(as_image(picture), boxes, scores))

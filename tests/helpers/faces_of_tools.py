"""Three images, two with faces, that tools annotate."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from nasface.data.images import write_image

WIDTH, HEIGHT = 48, 32
FACES = {"a.jpg": [(2.0, 3.0, 8.0, 10.0)], "b.jpg": [(5.0, 6.0, 10.0, 12.5), (20.0, 4.0, 6.0, 8.0)]}
"""Image -> boxes x y w h."""
EMPTY = "none.jpg"


def images(folder: Path, rename: Callable[[str], str] = str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*FACES, EMPTY):
        write_image(folder / rename(name), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

"""Three images, two with faces, that tools annotate."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from nasface.annotations.formats import read_dataset
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


def check_read(root: Path, form: str, *, has_empty: bool = True) -> None:
    """Assert that the data set in a folder is recognised, and that its faces are :data:`FACES`.

    ``has_empty``: it has an entry of the image without a face as well.
    """
    found = read_dataset(root, "train")
    assert found.format == form
    assert read_dataset(root, "train", form).names == found.names
    assert all(record.path.is_file() for record in found)
    boxes = {record.name.rpartition("/")[2]: record for record in found}
    if has_empty:
        assert any(name.removeprefix("1f2e-").startswith("none") for name in boxes)
    for name, wanted in FACES.items():
        record = next(boxes[each] for each in boxes if name[0] == each.removeprefix("1f2e-")[0])
        corners = [[x, y, x + w, y + h] for x, y, w, h in wanted]
        np.testing.assert_allclose(record.boxes_M4, corners, atol=1e-4)
        assert record.valid_M.all()

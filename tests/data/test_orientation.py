from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from nasface.data.orientation import boxes_as_shown, boxes_as_stored, picture_as_shown


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_drawn_box_is_where_pillow_shows_it(tmp_path: Path, orientation: int) -> None:
    pixels = np.zeros((30, 50), np.uint8)
    pixels[4:11, 20:33] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    shown = np.array(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    rows, columns = np.nonzero(shown)
    seen = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    stored = np.array([[20, 4, 33, 11]], np.float32)
    height, width = shown.shape
    np.testing.assert_array_equal(boxes_as_stored(seen, orientation, (height, width)), stored)
    np.testing.assert_array_equal(boxes_as_shown(stored, orientation, (30, 50)), seen)


def test_no_box() -> None:
    assert boxes_as_stored(np.zeros((0, 4), np.float32), 6, (3, 4)).shape == (0, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_pillow_turns_it(tmp_path: Path, orientation: int) -> None:
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    shown = np.array(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    np.testing.assert_array_equal(picture_as_shown(pixels, orientation), shown)

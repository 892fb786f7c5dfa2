from pathlib import Path

import pytest
from PIL import Image

from nasface.annotations.image_size import image_size, size_for_shares
from nasface.data.images import read_image
from nasface.errors import DataError


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_the_size_is_that_of_the_picture_as_read(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (48, 32)).save(path, exif=exif)
    assert image_size(path, "apply") == read_image(path).shape[:2]
    assert image_size(path, "ignore") == read_image(path, exif=False).shape[:2]


def test_shares_of_an_image_that_cannot_be_read_stay_shares(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"no image")
    assert size_for_shares(path, "apply", need_images=False) == (1, 1)
    with pytest.raises(DataError, match=r"a\.jpg: is damaged or no image"):
        size_for_shares(path, "apply", need_images=True)

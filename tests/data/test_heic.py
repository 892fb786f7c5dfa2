"""HEIC photographs, with and without the package that reads them."""

import importlib.machinery
import io
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin
from turnable import PICTURE, encode

from nasface.annotations.image_size import image_size
from nasface.data.images import read_image, read_orientation, write_image
from nasface.errors import DataError
from nasface.optional import hidden


@pytest.fixture
def opener(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that has Pillow open what lies behind the first bytes of HEIC as a PNG."""

    class Opened(PngImagePlugin.PngImageFile):
        format = "HEIF"

        def _open(self) -> None:
            assert self.fp is not None
            self.fp = io.BytesIO(self.fp.read()[len(HEIC) :])
            super()._open()

    def register() -> None:
        Image.register_open("HEIF", Opened, lambda start: start.startswith(HEIC))

    package = types.ModuleType("pillow_heif")
    package.__spec__ = importlib.machinery.ModuleSpec("pillow_heif", None)
    package.register_heif_opener = register  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))


HEIC = b"\0\0\0\x18ftypheic"


def test_heic_is_read_by_its_package(tmp_path: Path, opener: None) -> None:
    path = tmp_path / "IMG_1.HEIC"
    path.write_bytes(HEIC + encode(".png", PICTURE[..., ::-1]))
    np.testing.assert_array_equal(read_image(path), PICTURE)
    assert image_size(path) == PICTURE.shape[:2]
    assert read_orientation(path) == 1
    path.write_bytes(HEIC + bytes(100))
    with pytest.raises(DataError, match=r"IMG_1\.HEIC: HEIC data is damaged"):
        read_image(path)
    with pytest.raises(DataError, match=r"IMG_1\.HEIC: is damaged or no image"):
        image_size(path)


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_without_its_package_says_what_to_install(tmp_path: Path, brand: bytes) -> None:
    path = tmp_path / "a.jpg"  # the name that some programs give to it
    path.write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(100))
    for read in (read_image, image_size):
        with (
            hidden("pillow_heif"),
            pytest.raises(
                DataError, match=r"a\.jpg: is HEIC, and .* pip install 'nasface\[heic\]'"
            ),
        ):
            read(path)


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic_of_the_real_package(tmp_path: Path, orientation: int) -> None:
    """A turn that stands in EXIF only means nothing in HEIC."""
    heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    heif.register_heif_opener()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / "a.heic"
    Image.fromarray(PICTURE).save(path, quality=95, exif=exif)
    for turns in (False, True):
        image = read_image(path, exif=turns)
        assert np.abs(image.astype(int) - PICTURE).mean() < 10
    assert image_size(path, "apply") == image_size(path) == PICTURE.shape[:2]
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"a\.heic: HEIC data is damaged"):
        read_image(path)


def test_heic_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"unknown suffix, expected one of \.jpg"):
        write_image(tmp_path / "a.heic", PICTURE)

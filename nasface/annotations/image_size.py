"""The size of an image, from its header."""

from pathlib import Path

from PIL import Image

from nasface.annotations.records import Exif
from nasface.errors import DataError
from nasface.io.archives import open_file

_ORIENTATION = 0x0112
_ON_A_SIDE = (5, 6, 7, 8)


def image_size(path: Path, exif: Exif = "ignore") -> tuple[int, int]:
    """Height and width in pixels, as stored or turned by the EXIF orientation.

    Raises:
        DataError: naming the file, if it is no image.
    """
    try:
        with open_file(path) as file, Image.open(file) as header:
            width, height = header.size
            turned = exif == "apply" and header.getexif().get(_ORIENTATION, 1) in _ON_A_SIDE
    except Exception:  # Pillow has many exceptions for damaged files
        raise DataError(f"{path}: is damaged or no image") from None
    return (width, height) if turned else (height, width)

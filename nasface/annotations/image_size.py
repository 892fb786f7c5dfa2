"""The size of an image, from its header."""

from pathlib import Path

from nasface.annotations.names import LEAVE_OUT
from nasface.annotations.records import Exif
from nasface.errors import DataError, MissingPackageError
from nasface.io.archives import open_file
from nasface.io.heic import open_picture

TURNED = ("JPEG", "MPO", "PNG", "WEBP", "AVIF")
"""Formats, in Pillow's words, whose EXIF orientation turns a picture only where that is asked for;
a TIFF is turned in any case, by Pillow and by OpenCV, and so is HEIC."""

_ORIENTATION = 0x0112
_ON_A_SIDE = (5, 6, 7, 8)


def image_size(path: Path, exif: Exif = "ignore") -> tuple[int, int]:
    """Return the height and width in pixels, as stored or turned by the EXIF orientation.

    Raises:
        DataError: naming the file, if it is no image.
    """
    try:
        with open_file(path) as file, open_picture(file) as header:
            width, height = header.size
            is_asked = exif == "apply" and header.format in TURNED
            turned = is_asked and header.getexif().get(_ORIENTATION, 1) in _ON_A_SIDE
    except MissingPackageError as missing:
        raise DataError(f"{path}: is HEIC, and {missing}") from None
    except Exception:  # Pillow has many exceptions for damaged files
        raise DataError(f"{path}: is damaged or no image") from None
    return (width, height) if turned else (height, width)


def size_for_shares(path: Path, exif: Exif, need_images: bool) -> tuple[int, int]:
    """Return the height and width by which boxes in shares of an image are turned into pixels.

    Without ``need_images``, those of an image that cannot be read stay shares, of 1 x 1 pixel: the
    image is left out later, and its faces still count.

    Raises:
        DataError: naming the file, if it is no image and is needed.
    """
    try:
        return image_size(path, exif)
    except DataError as problem:
        if need_images:
            raise DataError(f"{problem}; repair such images, or {LEAVE_OUT}") from None
        return 1, 1

"""HEIC files, in which phones keep photographs: Pillow opens them by the package pillow-heif."""

import re
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from nasface.optional import need

_START = re.compile(rb"....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)
_LENGTH = 12


def is_heic(data: bytes) -> bool:
    """Return whether a file that begins so is in HEIC, or in a form of its family."""
    return _START.match(data) is not None


def open_picture(file: BinaryIO) -> Image.Image:
    """Open a picture by Pillow.

    Raises:
        MissingPackageError: for HEIC without its package; and what Pillow raises for other files.
    """
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        file.seek(0)
        if not is_heic(file.read(_LENGTH)):
            raise
    need("pillow_heif", "nasface[heic]").register_heif_opener()
    file.seek(0)
    return Image.open(file)

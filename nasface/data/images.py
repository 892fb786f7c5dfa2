"""Image files in and out, as 8-bit RGB arrays."""

import io
import re
import struct
import warnings
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, SAMPLEFORMAT, ImageFileDirectory_v2

from nasface.annotations.image_size import TURNED
from nasface.annotations.names import IMAGE_SUFFIXES
from nasface.data import jpeg, png
from nasface.data.orientation import picture_as_shown
from nasface.errors import DataError, MissingPackageError
from nasface.io.archives import file_bytes, open_file
from nasface.io.files import write_bytes
from nasface.io.heic import is_heic, open_picture

MAX_PIXELS = 100_000_000
"""Largest image that is read."""

_WRITTEN = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm")

_CONTAINERS = (
    ("JPEG", jpeg.JPEG_START + b"\xff", jpeg.whole_jpeg),
    ("PNG", png.PNG_START, png.whole_png),
)
_SEVERAL = ("GIF", "PNG", "WEBP", "AVIF", "TIFF")
_TIFF = (b"II*\0", b"MM\0*")
_TIFF_SAMPLES = MappingProxyType({1: "unsigned integers", 2: "signed integers", 3: "floats"})

_USUAL_MASKS = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
_SIGNED = " signed"
_TIFF_BITS, _TIFF_PLAIN = (1, 8, 16), (1, 4)
"""Bits of a value that OpenCV reads, and forms that are unsigned integers, or not said."""

_PFM, _PAM = rb"P[Ff]\s", rb"P7\s"
_PNM = re.compile(rb"P[2356]" + rb"(?:\s|#[^\n]*\n)+(\d{1,9})" * 3)
_SCALED = (255, 65535)
"""Greatest values of a PNM file by which OpenCV scales it; it takes others as they are."""
_AVIF = rb"....ftypavi[fs]"

_UNREAD = MappingProxyType(
    {
        "AVIF": _AVIF,
        "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
        "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
        "a pointer of Git LFS": rb"version https://git-lfs",
        "PFM": _PFM,
        "PAM": _PAM,
        "a page of the web": rb"\s*<(?i:!doctype html|html)",
        "XML": rb"\s*<\?xml",
        "PDF": rb"%PDF",
        "a video": rb"....ftyp(iso[m2-9]|mp4[12]|M4V |qt  |avc1)|RIFF....AVI |\x1a\x45\xdf\xa3",
    }
)
"""Kind of file that a build of OpenCV may not read, or that lies in the place of a picture -> how
it begins."""


_READ_BY_SOME = ("AVIF", "JPEG XL", "JPEG 2000")
"""Those that some builds of OpenCV read, unless they are damaged."""


def read_image(path: Path, *, exif: bool = True) -> NDArray[np.uint8]:
    """Read an image as uint8 (H, W, 3) RGB; grey and 16-bit files are converted.

    Transparency is left out: colours are those that a pixel has where it is opaque.

    ``exif`` turns the picture the way its EXIF orientation asks for. Annotations of WIDER FACE
    are in coordinates of the pixels as stored, so training and evaluation pass ``exif=False``.
    HEIC files need the package pillow-heif.
    Raises DataError when the file is missing, empty, cut short, no image or one of more than
    ``MAX_PIXELS``, which a small file can hold.
    """
    try:
        data = file_bytes(Path(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read as an image ({error.strerror})") from None
    if not data:
        raise DataError(f"{path}: is empty, expected an image")
    _check_size(path, data)
    for kind, start, whole in _CONTAINERS:
        if data.startswith(start):
            picture = whole(data)
            if picture is None:
                raise DataError(f"{path}: {kind} data is cut short, expected a complete image")
            data = picture
    # Decoded as RGB, not converted: OpenCV 5.0 keeps some 900 bytes for every thread that has ever
    # converted colours, and images are checked in threads that come and go.
    is_avif = re.match(_AVIF, data, re.DOTALL) is not None
    # OpenCV 5.0 does not look at the turn of an AVIF file, and whatever is asked for gives one with
    # transparency as BGR.
    how = cv2.IMREAD_COLOR if is_avif else cv2.IMREAD_COLOR_RGB
    if is_avif or not exif:
        how |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:
        image = None
    if image is not None and is_avif:
        image = np.ascontiguousarray(image[..., ::-1])
    if image is None and is_heic(data):
        image = _by_pillow(path, data, "HEIC")
    elif (header := _PNM.match(data)) and int(header[3]) not in _SCALED:
        image = _by_pillow(path, data, "PNM")
    elif image is not None and _is_multiplied(data):
        image = _by_pillow(path, data, "TIFF")
    elif image is not None and _has_other_masks(data):
        image = _by_pillow(path, data, "BMP")
    samples = _tiff_samples(data)
    if samples is not None and (image is None or _SIGNED in samples):  # OpenCV takes no sign
        raise DataError(f"{path}: TIFF of {samples}, expected 8 or 16 bits per channel, unsigned")
    # Of floats OpenCV keeps whole numbers, and of PAM with transparency other memory.
    if image is None or re.match(_PFM + b"|" + _PAM, data):
        accepted = " ".join(IMAGE_SUFFIXES)
        raise DataError(f"{path}: {_name_of(data)}, expected one of {accepted}")
    if is_avif and exif:
        image = picture_as_shown(np.asarray(image, np.uint8), read_orientation(path))
    return np.asarray(image, np.uint8)


def read_orientation(path: Path) -> int:
    """Return how ``read_image`` turns an image with ``exif``: EXIF's orientation, 1 to 8.

    It is 1 for an image that is not turned, or is turned either way, as a TIFF.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_file(path) as file, open_picture(file) as header:
                orientation = header.getexif().get(ExifTags.Base.Orientation, 1)
                is_asked = header.format in TURNED
    except Exception:  # Pillow has many exceptions for damaged files
        return 1
    return orientation if is_asked and orientation in range(1, 9) else 1


def pictures_in(path: Path) -> int:
    """Return how many pictures a file holds, of which ``read_image`` takes the first: those of an
    animation or the pages of a TIFF; 1 where that is not known.

    Behind a photograph, cameras put smaller copies and maps of it (MPO), which are not counted.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_file(path) as file, open_picture(file) as header:
                is_counted = header.format in _SEVERAL
                return int(getattr(header, "n_frames", 1)) if is_counted else 1
    except Exception:  # Pillow has many exceptions for damaged files
        return 1


def _check_size(path: Path, data: bytes) -> None:
    """Look at the size that a file states before its pixels take memory.

    Pillow reads headers alone; what it does not know is left to OpenCV.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_picture(io.BytesIO(data)) as header:
                width, height = header.size
    except Image.DecompressionBombError:
        raise DataError(f"{path}: has too many pixels, expected {MAX_PIXELS} or fewer") from None
    except Exception:  # a damaged file can raise anything
        return
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{path}: has {width} x {height} pixels, expected {MAX_PIXELS} or fewer; scale it down"
        )


def write_image(path: Path, image_HW3: NDArray[np.uint8]) -> None:
    """Write uint8 RGB to ``path`` in the format of its suffix, whole or not at all.

    Raises DataError when the suffix is no image format, or one that some sizes do not fit, and
    OutputError when the file cannot be written.
    """
    check_image(image_HW3)
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITTEN:
        raise DataError(f"{path}: unknown suffix, expected one of {' '.join(_WRITTEN)}")
    try:
        is_done, data = cv2.imencode(suffix, cv2.cvtColor(image_HW3, cv2.COLOR_RGB2BGR))
    except cv2.error:
        is_done = False
    if not is_done:
        height, width = image_HW3.shape[:2]
        raise DataError(f"{path}: an image of {width} x {height} pixels does not fit its format")
    write_bytes(Path(path), data.tobytes())


def _is_multiplied(data: bytes) -> bool:
    """Return whether OpenCV multiplies colours by transparency, as it does in TIFF of 8 bits
    only."""
    if not data.startswith(_TIFF):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as header:
                return header.mode == "RGBA"
    except Exception:  # Pillow has many exceptions for damaged files
        return False


def _by_pillow(path: Path, data: bytes, kind: str) -> NDArray[np.uint8]:
    """Return the picture of a file of a kind, which is not turned, or, as HEIC, in any case."""
    try:
        with open_picture(io.BytesIO(data)) as picture:
            if picture.mode == "I":  # grey of 16 bits
                grey = (np.asarray(picture) >> 8).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            return np.asarray(picture.convert("RGB"), np.uint8)
    except MissingPackageError as missing:
        raise DataError(f"{path}: is HEIC, and {missing}") from None
    except Exception as problem:  # Pillow has many exceptions for damaged files
        raise DataError(f"{path}: {kind} data is damaged ({str(problem)!a:.100})") from None


def check_image(image: NDArray[np.uint8]) -> None:
    """Raise ValueError unless an image is uint8 (H, W, 3)."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image must be uint8 (H, W, 3), got {image.dtype} {image.shape}")


def _has_other_masks(data: bytes) -> bool:
    """Return whether a BMP file has its colours elsewhere in 32 bits than OpenCV looks for them."""
    if not data.startswith(b"BM") or len(data) < 66:
        return False
    bits, form = struct.unpack_from("<HI", data, 28)
    return (bits, form) in ((32, 3), (32, 6)) and data[54:66] != _USUAL_MASKS


def _name_of(data: bytes) -> str:
    """Name what bytes are that are not decoded."""
    for kind, start in _UNREAD.items():
        if re.match(start, data, re.DOTALL):
            damaged = "damaged or " if kind in _READ_BY_SOME else ""
            return f"is {kind}, which is {damaged}not read here"
    return "is damaged or no image"


def _tiff_samples(data: bytes) -> str | None:
    """Say what a TIFF holds whose values are not those of pictures; None for any other file."""
    if not data.startswith(_TIFF):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags = ImageFileDirectory_v2(data[:8])
            file = io.BytesIO(data)
            file.seek(tags.next)
            tags.load(file)
        bits, form = max(tags.get(BITSPERSAMPLE, (1,))), tags.get(SAMPLEFORMAT, (1,))[0]
    except Exception:  # Pillow has many exceptions for damaged files
        return None
    kind = _TIFF_SAMPLES.get(form, "values of another kind")
    return None if bits in _TIFF_BITS and form in _TIFF_PLAIN else f"{bits}-bit {kind}"

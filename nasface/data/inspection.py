"""What image files are like: their size and turn, and whether they can be read and are whole."""

import hashlib
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from nasface.annotations.records import ImageRecord
from nasface.data.decoded import DECODES_ANEW, DecodedImages
from nasface.data.images import pictures_in, read_orientation
from nasface.data.jpeg import JPEG_START, has_all_data
from nasface.errors import DataError
from nasface.io.archives import file_bytes
from nasface.machine import cores
from nasface.progress import Progress

_QUIET_SECONDS = 2.0


@dataclass(frozen=True)
class ImageFacts:
    """Facts of an image file: (height, width) as stored, and EXIF's orientation, 1 to 8.

    ``problem`` says why it cannot be read; its size is then unknown. ``digest`` of the file,
    whether all pixels are there, and how many ``pictures`` it holds, of which the first is read,
    are known after a thorough look.
    """

    size: tuple[int, int] | None
    orientation: int = 1
    problem: str | None = None
    digest: str = ""
    is_whole: bool = True
    pictures: int = 1

    def size_as(self, exif: str) -> tuple[int, int] | None:
        """Return (height, width) as it is read with ``exif`` "apply" or "ignore"."""
        if self.size is None or exif == "ignore" or self.orientation < 5:
            return self.size
        return self.size[1], self.size[0]


def inspect_images(
    records: Sequence[ImageRecord], thorough: bool, progress: Progress, decoded: DecodedImages
) -> list[ImageFacts]:
    """Look at all images, in several threads; show progress where that takes a while."""
    started, is_shown = time.monotonic(), False
    found: list[ImageFacts] = []
    # Each thread silences Pillow for a moment; what they leave of the filters ends here.
    with warnings.catch_warnings():
        pool = ThreadPoolExecutor(min(8, cores()))
        try:
            for facts in pool.map(lambda each: inspect_image(each, thorough, decoded), records):
                found.append(facts)
                if is_shown:
                    progress.advance()
                elif time.monotonic() - started > _QUIET_SECONDS:
                    is_shown = True
                    progress.start("check images", len(records), len(found))
        finally:
            pool.shutdown(cancel_futures=True)
    return found


def inspect_image(
    record: ImageRecord, thorough: bool = False, decoded: DecodedImages = DECODES_ANEW
) -> ImageFacts:
    """Read one image."""
    try:
        height, width = decoded.read(record.path, exif=False).shape[:2]
    except DataError as error:
        return ImageFacts(None, problem=str(error))
    orientation = read_orientation(record.path)
    if not thorough:
        return ImageFacts((height, width), orientation)
    data = file_bytes(record.path)
    is_whole = not data.startswith(JPEG_START) or has_all_data(data)
    digest = hashlib.sha256(data).hexdigest()
    pictures = pictures_in(record.path)
    return ImageFacts((height, width), orientation, None, digest, is_whole, pictures)

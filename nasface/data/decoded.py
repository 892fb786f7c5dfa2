"""Decoded images that are kept on disk, from one run to the next."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nasface.arrays import Image
from nasface.data.images import read_image
from nasface.io.files import draft


@dataclass(frozen=True)
class DecodedImages:
    """Reads images and keeps each, decoded, as a file of ``folder``; without one nothing is kept.

    What is kept is mapped into memory rather than read, so that processes share it and a crop costs
    no more than its own part. It holds for the image file as it was: a file of another size or of
    other times is decoded anew, so also one that took the place of another and kept its time, as
    copies and archives do. Images within archives are not kept.
    """

    folder: Path | None = None

    def read(self, path: Path, *, exif: bool = True) -> Image:
        """Return what :func:`~nasface.data.images.read_image` returns, not to be written to."""
        kept = self._place(path, exif)
        if kept is None:
            return read_image(path, exif=exif)
        image = _load(kept)
        if image is None:
            image = read_image(path, exif=exif)
            kept.parent.mkdir(parents=True, exist_ok=True)
            with draft(kept) as temporary:
                np.save(temporary, image)
        return image

    def _place(self, path: Path, exif: bool) -> Path | None:
        if self.folder is None:
            return None
        try:
            facts = path.stat()
        except OSError:
            return None
        times = f"{facts.st_mtime_ns} {facts.st_ctime_ns}"
        key = f"{path.resolve()} {facts.st_size} {times} {exif}"
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"


DECODES_ANEW = DecodedImages()


def _load(path: Path) -> Image | None:
    """Return the array of a file; None where there is none, or it is damaged."""
    try:
        image = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = isinstance(image, np.memmap) and image.dtype == np.uint8 and image.ndim == 3
    return np.asarray(image) if fits else None

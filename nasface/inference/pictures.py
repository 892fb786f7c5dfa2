"""Pictures in any accepted form, as the array that a detector takes."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasface.annotations.records import ImageRecord
from nasface.arrays import Image
from nasface.data.images import read_image
from nasface.data.inputs import list_inputs
from nasface.data.video import VIDEO_SUFFIXES, is_stream, shown_name
from nasface.errors import DataError

Picture = str | os.PathLike[str] | Image | Tensor | PIL.Image.Image | ImageRecord

_PICTURE = (str, os.PathLike, np.ndarray, Tensor, PIL.Image.Image, ImageRecord)
"""The kinds of Picture, as isinstance takes them."""
_NO_PICTURES = (bytes, bytearray, memoryview, Mapping)
"""What can be iterated over, but not for pictures."""
_TAKEN = "a path, an array (H, W, 3) in RGB, a tensor (3, H, W) or a Pillow image"


def each_picture(pictures: Picture | Iterable[Picture]) -> Iterable[Picture]:
    """Return one or several pictures as several.

    A folder, or a path with ``*``, stands for its images, sorted; an array or tensor of four
    dimensions for those along the first.

    Raises:
        DataError: for a folder or pattern without images. ValueError: for what is neither.
    """
    if isinstance(pictures, np.ndarray | Tensor) and pictures.ndim == 4:
        return pictures
    if isinstance(pictures, str | os.PathLike) and _is_several(name := _name_of(pictures)):
        found = list_inputs([name], lambda path: False).images
        if not found:
            raise DataError(f"{name}: has videos only, expected images")
        return list(found)
    if isinstance(pictures, _PICTURE):
        return [pictures]
    if isinstance(pictures, _NO_PICTURES) or not isinstance(pictures, Iterable):
        kind = type(pictures).__name__
        raise ValueError(f"pictures must be {_TAKEN}, or several of these, got {kind}")
    return pictures


def _name_of(path: object) -> str:
    """Return the text of a path.

    Raises:
        DataError: for none, and for one with a null character. ValueError: for one of bytes.
    """
    name = os.fspath(path)  # type: ignore[call-overload]  # a path by its callers
    if not isinstance(name, str):
        raise ValueError(f"picture must be {_TAKEN}, got a path of {type(name).__name__}")
    if not name or "\0" in name:
        raise DataError(f"{name!a:.60}: is no path, expected that of an image")
    return name


def _is_several(path: str) -> bool:
    is_pattern = glob.has_magic(path) and not os.path.exists(path) and not is_stream(path)
    return os.path.isdir(path) or is_pattern


def source_of(picture: Picture) -> Path | None:
    """Return the file of a picture, where it is one."""
    if isinstance(picture, ImageRecord):
        return picture.path
    return Path(picture) if isinstance(picture, str | os.PathLike) else None


def batches(
    images: Iterable[tuple[Path | None, Image]], most: int
) -> Iterator[list[tuple[Path | None, Image]]]:
    """Yield the neighbours of one size, ``most`` at a time, read no further ahead than one
    image."""
    batch: list[tuple[Path | None, Image]] = []
    for each in images:
        if batch and (len(batch) == most or batch[0][1].shape != each[1].shape):
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch


def as_image(picture: object) -> Image:
    """Return a picture as uint8 (H, W, 3).

    Raises:
        DataError: for a file that cannot be read. ValueError: for what is no picture.
    """
    if isinstance(picture, str | os.PathLike):
        _check_is_file(_name_of(picture))
        return read_image(Path(picture))
    if isinstance(picture, ImageRecord):
        return read_image(picture.path, exif=picture.exif == "apply")
    if isinstance(picture, PIL.Image.Image):
        picture = _of_pillow(picture)
    elif isinstance(picture, Tensor):
        picture = _of_tensor(picture)
    if not isinstance(picture, np.ndarray):
        raise ValueError(f"picture must be {_TAKEN}, got {type(picture).__name__}")
    is_image = picture.ndim == 3 and picture.shape[2] == 3 and picture.size > 0
    if is_image and picture.dtype.kind == "f":
        picture = _as_bytes(picture)
    if not is_image or picture.dtype != np.uint8:
        raise ValueError(
            "array must be (H, W, 3) in RGB, uint8 or float in [0, 1], got "
            f"{picture.dtype} {picture.shape}"
        )
    # A view with negative steps, such as of BGR turned to RGB, is nothing that OpenCV takes.
    return np.ascontiguousarray(picture)


def check_tensor(images: object) -> None:
    """Raise ValueError for what is no batch of images that a network takes, (B, 3, H, W)."""
    kind = type(images).__name__
    if isinstance(images, Tensor):
        if images.ndim == 4 and images.shape[1] == 3 and images.is_floating_point():
            return
        kind = f"{images.dtype} {tuple(images.shape)}"
    raise ValueError(
        f"a call takes normalised images, floats (B, 3, H, W), got {kind}; expected "
        "detector.detect(...) for pictures"
    )


def _check_is_file(name: str) -> None:
    """Refuse names that commands take and that are no image file."""
    if is_stream(name):
        raise DataError(
            f"{shown_name(name)}: is an address or a camera, expected an image file; fetch it, or "
            "give the frames that cv2.VideoCapture reads, turned from BGR to RGB"
        )
    if PurePath(name).suffix.lower() in VIDEO_SUFFIXES:
        raise DataError(
            f"{name}: is a video, expected an image file; give its frames, uint8 (H, W, 3) RGB, or "
            "use the command nasface detect"
        )
    if os.path.isdir(name):
        raise DataError(f"{name}: is a folder among pictures, expected an image file")


def _of_pillow(picture: PIL.Image.Image) -> Image:
    """Return the pixels of a Pillow image, in the order in which it has them."""
    if picture.mode in ("I", "F"):
        raise ValueError(f"Pillow image must have 8 or 16 bits a channel, got mode {picture.mode}")
    try:
        if picture.mode.startswith("I;16"):
            values = np.asarray(picture)
            return np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2)
        return np.asarray(picture.convert("RGB"), np.uint8)
    except (OSError, SyntaxError, ValueError) as error:  # its file is read only now
        raise ValueError(f"Pillow image cannot be read: {error}") from None


def _of_tensor(picture: Tensor) -> Image:
    """Return a tensor (3, H, W) as an array (H, W, 3)."""
    is_image = picture.ndim == 3 and picture.shape[0] == 3 and picture.numel() > 0
    is_float = picture.is_floating_point()
    has_values = picture.layout is torch.strided and picture.device.type != "meta"
    if not is_image or not has_values or not (is_float or picture.dtype == torch.uint8):
        kind = "" if has_values else f" {picture.layout} on {picture.device}"
        raise ValueError(
            f"tensor must be (3, H, W) in RGB, uint8 or float in [0, 1], got {picture.dtype} "
            f"{tuple(picture.shape)}{kind}"
        )
    picture = picture.detach().cpu().permute(1, 2, 0)
    return _as_bytes(picture.float().numpy()) if is_float else picture.numpy()


def _as_bytes(picture: NDArray[np.floating[Any]]) -> Image:
    """Return floats in [0, 1] as uint8. Resizing may go a little beyond; other ranges are a mistake
    that nobody would see."""
    if not ((picture >= -0.1) & (picture <= 1.1)).all():
        low, high = picture.min(), picture.max()
        raise ValueError(f"floats must be in [0, 1], got {low:.4g} to {high:.4g}")
    return (picture.clip(0, 1) * 255).round().astype(np.uint8)

"""Trained detectors for people who want faces: ``nasface.load_detector("weights.safetensors")``."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasface.data.images import read_image
from nasface.detection.checkpoint import LoadedDetector
from nasface.inference import loading as load
from nasface.inference.predict import InferenceConfig, detect_batch
from nasface.structures import Detections

Image = NDArray[np.uint8]
Picture = str | os.PathLike[str] | Image | Tensor | PIL.Image.Image

#: what can be iterated over, but not for pictures
_NO_PICTURES = (bytes, bytearray, memoryview, Mapping)
_TAKEN = "a path, an array uint8 (H, W, 3) RGB, a tensor (3, H, W) or a Pillow image"


class FaceDetector:
    """A detector for inference; ``genotype``, ``config`` and ``metrics`` are its file's."""

    def __init__(self, loaded: LoadedDetector) -> None:
        self.module = loaded.detector
        self.genotype, self.config, self.metrics = loaded.genotype, loaded.config, loaded.metrics

    def detect(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        threshold: float = 0.5,
        test: InferenceConfig | None = None,
        batch: int = 8,
    ) -> list[Detections]:
        """The faces of each picture, in its order, boxes ``x1 y1 x2 y2`` in its own pixels.

        A picture is the path of an image (shown as its EXIF orientation says), an array uint8
        (H, W, 3) RGB, a tensor (3, H, W) RGB, uint8 or float in [0, 1], or a Pillow image, whose
        pixels are taken in the order in which it has them. Neighbours of one size
        are seen together, at most ``batch`` of them, so that no more pictures than that are in
        memory. ``threshold`` is the least score, ``test`` the sizes at which pictures are seen; its
        ``confidence``, 0.02 or a lower ``threshold`` unless given, is the least that is looked at.

        Raises:
            DataError: for a file that cannot be read. ValueError: for another kind of picture, or a
                batch of none.
        """
        if batch < 1:
            raise ValueError(f"batch must be 1 or more, got {batch}")
        if test is None:
            test = InferenceConfig()
            test = replace(test, score_threshold=min(test.score_threshold, max(0.0, threshold)))
        if isinstance(pictures, str | os.PathLike | np.ndarray | Tensor | PIL.Image.Image):
            pictures = [pictures]
        elif isinstance(pictures, _NO_PICTURES) or not isinstance(pictures, Iterable):
            kind = type(pictures).__name__
            raise ValueError(f"pictures must be {_TAKEN}, or several of these, got {kind}")
        found: list[Detections] = []
        for images in _batches((_as_image(picture) for picture in pictures), batch):
            for each in detect_batch(self.module, images, test):
                kept = each.scores_N >= threshold
                found.append(Detections(each.boxes_N4[kept], each.scores_N[kept]))
        return found


def load_detector(path: str | Path, device: str | torch.device = "cpu") -> FaceDetector:
    """The detector of weights of ``nasface train``, or of an ONNX file of ``nasface export``.

    Raises:
        RunError: naming the file, if it cannot be read, is no detector or its weights do not fit.
    """
    return FaceDetector(load.load_detector(Path(path), device))


def _batches(images: Iterable[Image], most: int) -> Iterator[list[Image]]:
    """Neighbours of one size, ``most`` at a time."""
    for _, same in groupby(images, key=lambda image: image.shape):
        while batch := list(islice(same, most)):
            yield batch


def _as_image(picture: object) -> Image:
    """A picture as uint8 (H, W, 3).

    Raises:
        DataError: for a file that cannot be read. ValueError: for what is no picture.
    """
    if isinstance(picture, str | os.PathLike):
        return read_image(Path(picture))
    if isinstance(picture, PIL.Image.Image):
        picture = _of_pillow(picture)
    elif isinstance(picture, Tensor):
        picture = _of_tensor(picture)
    if not isinstance(picture, np.ndarray):
        raise ValueError(f"picture must be {_TAKEN}, got {type(picture).__name__}")
    is_image = picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    if not is_image or picture.size == 0:
        what = "empty, " if is_image else ""
        raise ValueError(
            f"array must be uint8 (H, W, 3) RGB, got {what}{picture.dtype} {picture.shape}"
        )
    # A view with negative steps, such as of BGR turned to RGB, is nothing that OpenCV takes.
    return np.ascontiguousarray(picture)


def _of_pillow(picture: PIL.Image.Image) -> Image:
    """The pixels of a Pillow image, in the order in which it has them."""
    if picture.mode in ("I", "F"):
        raise ValueError(f"Pillow image must have 8 or 16 bits a channel, got mode {picture.mode}")
    try:
        if picture.mode.startswith("I;16"):
            values = np.asarray(picture)
            return np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2)
        return np.asarray(picture.convert("RGB"), np.uint8)
    except (OSError, SyntaxError) as error:  # its file is read only now
        raise ValueError(f"Pillow image cannot be read: {error}") from None


def _of_tensor(picture: Tensor) -> Image:
    """A tensor (3, H, W) as an array (H, W, 3)."""
    picture = picture.detach().cpu()
    is_image = picture.ndim == 3 and picture.shape[0] == 3 and picture.numel() > 0
    if is_image and picture.is_floating_point():
        _check_range(picture)
        picture = (picture.clamp(0, 1) * 255).round().to(torch.uint8)
    if not is_image or picture.dtype != torch.uint8:
        raise ValueError(
            f"tensor must be (3, H, W) RGB, uint8 or float in [0, 1], got {picture.dtype} "
            f"{tuple(picture.shape)}"
        )
    return np.ascontiguousarray(picture.permute(1, 2, 0).numpy())


def _check_range(picture_3HW: Tensor) -> None:
    """Resizing may go a little beyond 0 and 1; other ranges are a mistake that nobody would see."""
    if not ((picture_3HW >= -0.1) & (picture_3HW <= 1.1)).all():
        low, high = (float(each) for each in picture_3HW.aminmax())
        raise ValueError(f"tensor of floats must be in [0, 1], got {low:.4g} to {high:.4g}")

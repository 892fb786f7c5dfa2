"""Trained detectors for people who want faces: ``nasface.load_detector("weights.safetensors")``."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasface.data.images import read_image
from nasface.detection.checkpoint import LoadedDetector
from nasface.inference import loading as load
from nasface.inference.predict import InferenceConfig, detect_batch
from nasface.structures import Detections

Image = NDArray[np.uint8]
Picture = str | Path | Image | Tensor


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
        (H, W, 3) RGB, or a tensor (3, H, W) RGB, uint8 or float in [0, 1]. Neighbours of one size
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
        if isinstance(pictures, str | Path | np.ndarray | Tensor):
            pictures = [pictures]
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


def _as_image(picture: Picture) -> Image:
    """A picture as uint8 (H, W, 3)."""
    if isinstance(picture, str | Path):
        return read_image(Path(picture))
    if isinstance(picture, Tensor):
        if picture.ndim == 3 and picture.shape[0] == 3 and picture.is_floating_point():
            _check_range(picture)
            picture = (picture.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
        if picture.dtype == torch.uint8 and picture.ndim == 3 and picture.shape[0] == 3:
            return np.ascontiguousarray(picture.permute(1, 2, 0).cpu().numpy())
        raise ValueError(
            f"tensor must be (3, H, W), uint8 or float in [0, 1], got {picture.dtype} "
            f"{tuple(picture.shape)}"
        )
    if not isinstance(picture, np.ndarray):
        raise ValueError(f"picture must be a path, an array or a tensor, got {type(picture)}")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"array must be uint8 (H, W, 3), got {picture.dtype} {picture.shape}")
    return picture


def _check_range(picture_3HW: Tensor) -> None:
    """Resizing may go a little beyond 0 and 1; other ranges are a mistake that nobody would see."""
    if not ((picture_3HW >= -0.1) & (picture_3HW <= 1.1)).all():
        low, high = (float(each) for each in picture_3HW.aminmax())
        raise ValueError(f"tensor of floats must be in [0, 1], got {low:.4g} to {high:.4g}")

"""Face-aware training augmentation: a square crop, a mirror image and changes of colour.

The default crops follow DSFD (Li et al., CVPR 2019, section 3.4): with some probability the
data-anchor sampling of PyramidBox, else a random square as in SSD. Boxes are ``x1 y1 x2 y2`` in
pixels. Every random number comes from the generator that is passed in.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from nasface.arrays import Flags, Float32, Float64, Image
from nasface.data.colours import distort_colours, to_grey
from nasface.data.tensors import MEAN_COLOUR
from nasface.data.windows import WINDOWS, Scene, Window, draw_window
from nasface.errors import ConfigError
from nasface.kinds import Settings

_SHARES = ("flip", "photometric", "grey", "mosaic", "copy_paste", "plain_end", "min_visible")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig(Settings):
    """Settings of training samples. Raises ConfigError for values out of range."""

    size: int = 320
    """Side of the crops in pixels, a multiple of 32."""
    face_crop: float = 0.4
    """Probability of a crop that brings a face to the size of an anchor (DSFD: 2 of 5)."""
    whole: float = 0.2
    """Probability of the whole image with a mean-coloured border; the rest to 1 is that of square
    crops at random."""
    face_size_crop: float = 0.0
    """Probability of a crop that brings a face to a side drawn log-uniformly from face_sides, so
    that small faces are as frequent as large ones."""
    face_sides: tuple[float, float] = (8.0, 280.0)
    """Least and greatest side in output pixels that such a crop gives its face."""
    scale_crop: float = 0.0
    """Probability of large-scale jitter: a crop at a scale drawn log-uniformly from scales."""
    scales: tuple[float, float] = (0.22, 3.0)
    """Least and greatest scale of these crops, and of those by face_sides."""
    aspect_jitter: float = 0.0
    """Greatest log of the ratio of the scales of width and height in these crops."""
    flip: float = 0.5
    """Probability of the mirror image."""
    photometric: float = 0.5
    """Probability of each of: brightness, contrast, saturation, hue."""
    grey: float = 0.0
    """Probability of a grey image."""
    mosaic: float = 0.0
    """Probability of four crops of different images as the tiles of one sample."""
    copy_paste: float = 0.0
    """Probability of faces of another image, pasted where they cover none."""
    plain_end: float = 0.15
    """Share of the epochs, the last ones, without mosaics and pasted faces."""
    min_face: float = 4.0
    """Shorter side in output pixels below which a face is ignored."""
    min_visible: float = 0.3
    """Share of a face with its centre cut off that must be in view for it to count as ignored."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 32 or self.size % 32:
            raise ConfigError(f"size is {self.size}, expected a multiple of 32 such as 320")
        for key in (*WINDOWS, *_SHARES):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"{key} is {getattr(self, key)}, expected a number from 0 to 1")
        crops = sum(getattr(self, key) for key in WINDOWS)
        if crops > 1 + 1e-9:
            raise ConfigError(f"{' + '.join(WINDOWS)} is {crops:g}, expected at most 1")
        if not 0 <= self.min_face <= self.size:
            raise ConfigError(f"min_face is {self.min_face}, expected pixels from 0 to {self.size}")
        for key in ("face_sides", "scales"):
            low, high = getattr(self, key)
            if not 0 < low <= high < math.inf:
                raise ConfigError(f"{key} is {low} {high}, expected positive numbers, least first")
        if not 0 <= self.aspect_jitter <= 1:
            raise ConfigError(f"aspect_jitter is {self.aspect_jitter}, expected 0 to 1")


class Sample(NamedTuple):
    """An image, uint8 (H, W, 3) RGB, and its M faces: boxes in pixels, and which are ignored."""

    image: Image
    boxes_M4: Float32
    ignore_M: Flags


class _Placement(NamedTuple):
    """The part of an image that is in view and where it comes to lie, both ``x1 y1 x2 y2``."""

    source: tuple[int, int, int, int]
    target: tuple[int, int, int, int]


def augment(
    image: Image,
    boxes_M4: Float32,
    ignore_M: Flags,
    config: AugmentConfig,
    generator: Generator,
    size: int | None = None,
) -> Sample:
    """Make one training sample of uint8 (H, W, 3) RGB and its M faces.

    Returns uint8 (size, size, 3), by default of the settings' size; float32 boxes in pixels of it,
    within [0, size] and with an area; and their ignore flags. A face stays when its centre is in
    view, clipped to what is in view. It stays as ignored when it came as ignored, is smaller than
    ``min_face`` or shows more than ``min_visible`` of itself without its centre. All other faces
    are dropped.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image must be uint8 (H, W, 3), got {image.dtype} {image.shape}")
    if boxes_M4.shape != (len(ignore_M), 4):
        raise ValueError(f"boxes are {boxes_M4.shape}, expected ({len(ignore_M)}, 4)")
    height, width = image.shape[:2]
    size = size or config.size
    faces_F4 = boxes_M4[~ignore_M & _centre_within(boxes_M4, (0, 0, width, height))]
    window = draw_window(Scene(height, width, faces_F4, size), config, generator)
    placement = _place(window, height, width, size)
    canvas = _render(image, placement, config, generator, size)
    boxes, ignore = move_boxes(boxes_M4, ignore_M, *placement, config)
    if generator.random() < config.flip:
        canvas = np.ascontiguousarray(canvas[:, ::-1])
        boxes[:, [0, 2]] = size - boxes[:, [2, 0]]
    return Sample(canvas, boxes, ignore)


def move_boxes(
    boxes_M4: Float32,
    ignore_M: Flags,
    source: tuple[int, int, int, int],
    target: tuple[int, int, int, int],
    config: AugmentConfig,
) -> tuple[Float32, Flags]:
    """Carry boxes along with the pixels that go from the rectangle ``source`` of an image to the
    rectangle ``target`` of another, both ``x1 y1 x2 y2``; which stay, and which of them are
    ignored, is said at :func:`augment`."""
    low, high = (np.array(each, np.float64) for each in (source[:2], source[2:]))
    first, last = (np.array(each, np.float64) for each in (target[:2], target[2:]))
    whole_M4 = boxes_M4.astype(np.float64)
    clipped_M4 = np.clip(whole_M4, np.tile(low, 2), np.tile(high, 2))
    area_M = _areas(whole_M4)
    share_M = np.divide(_areas(clipped_M4), area_M, out=np.zeros_like(area_M), where=area_M > 0)
    has_centre_M = _centre_within(boxes_M4, source)
    stays_M = (share_M > 0) & (has_centre_M | (share_M > config.min_visible))
    scale = np.tile((last - first) / (high - low), 2)
    mapped = (clipped_M4[stays_M] - np.tile(low, 2)) * scale + np.tile(first, 2)
    moved = np.clip(mapped, np.tile(first, 2), np.tile(last, 2)).astype(np.float32)
    small = (moved[:, 2:] - moved[:, :2]).min(axis=1, initial=np.inf) < config.min_face
    return moved, ignore_M[stays_M] | ~has_centre_M[stays_M] | small


def _place(window: Window, height: int, width: int, size: int) -> _Placement:
    """Lay the part of the window that is image on the pixel grid of the output."""

    def axis(start: int, side: int, length: int) -> tuple[int, int, int, int]:
        low, high = max(start, 0), min(start + side, length)
        scale = size / side
        first = min(round((low - start) * scale), size - 1)
        return low, high, first, max(round((high - start) * scale), first + 1)

    x1, x2, left, right = axis(window.x, window.width, width)
    y1, y2, top, bottom = axis(window.y, window.height, height)
    return _Placement((x1, y1, x2, y2), (left, top, right, bottom))


def _render(
    image: Image, placement: _Placement, config: AugmentConfig, generator: Generator, size: int
) -> Image:
    """Resize what is in view, change its colours and surround it with the mean colour."""
    x1, y1, x2, y2 = placement.source
    left, top, right, bottom = placement.target
    shrinks = x2 - x1 > right - left or y2 - y1 > bottom - top
    patch = cv2.resize(
        image[y1:y2, x1:x2],
        (right - left, bottom - top),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    picture = distort_colours(np.asarray(patch, np.uint8), config.photometric, generator)
    if config.grey and generator.random() < config.grey:
        picture = to_grey(picture)
    canvas = np.empty((size, size, 3), np.uint8)
    canvas[:] = MEAN_COLOUR
    canvas[top:bottom, left:right] = picture
    return canvas


def _centre_within(boxes_M4: Float32, rectangle: tuple[int, int, int, int]) -> Flags:
    """Tell which boxes have an area and their centre in ``rectangle`` ``x1 y1 x2 y2``."""
    low, high = np.array(rectangle[:2]), np.array(rectangle[2:])
    centres_M2 = (boxes_M4[:, :2].astype(np.float64) + boxes_M4[:, 2:]) / 2
    inside_M2 = (centres_M2 >= low) & (centres_M2 < high)
    return np.asarray(np.all(inside_M2 & (boxes_M4[:, 2:] > boxes_M4[:, :2]), axis=1))


def _areas(boxes_M4: Float64) -> Float64:
    sides_M2 = np.maximum(boxes_M4[:, 2:] - boxes_M4[:, :2], 0)
    return sides_M2[:, 0] * sides_M2[:, 1]

"""Face-aware training augmentation: a square crop, a mirror image and changes of colour.

The crops follow DSFD (Li et al., CVPR 2019, section 3.4): with some probability the
data-anchor sampling of PyramidBox (Tang et al., ECCV 2018, section 3.3), else a random square as
in SSD (Liu et al., ECCV 2016). Boxes are ``x1 y1 x2 y2`` in pixels. Every random number comes
from the generator that is passed in.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nasface.arrays import Flags, Float32, Image
from nasface.data.images import MEAN_COLOUR
from nasface.errors import ConfigError

ANCHOR_SIDES = (16, 32, 64, 128, 256, 512)
"""Anchor sides in pixels among which data-anchor sampling draws the size of a face."""

SQUARE_SIDES = (0.3, 1.0)
"""Least and greatest side of a random square, as a share of the image's short side."""

_SQUARE_TRIALS = 50
_BRIGHTNESS = 32.0
_GAIN = (0.5, 1.5)
_HUE_DEGREES = 18.0


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Settings of ``augment``. Raises ConfigError for values out of range."""

    size: int = 320
    """Side of the square output in pixels, a multiple of 32."""
    face_crop: float = 0.4
    """Probability of a crop that brings a face to the size of an anchor (DSFD: 2 of 5)."""
    whole: float = 0.2
    """Probability of the whole image with a mean-coloured border; what is left of 1 is squares."""
    flip: float = 0.5
    """Probability of the mirror image."""
    photometric: float = 0.5
    """Probability of each of: brightness, contrast, saturation, hue."""
    min_face: float = 4.0
    """Shorter side in output pixels below which a face is ignored."""
    min_visible: float = 0.3
    """Share of a face with its centre cut off that must be in view for it to count as ignored."""

    def __post_init__(self) -> None:
        if self.size < 32 or self.size % 32:
            raise ConfigError(f"size is {self.size}, expected a multiple of 32 such as 320")
        for key in ("face_crop", "whole", "flip", "photometric", "min_visible"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"{key} is {getattr(self, key)}, expected a number from 0 to 1")
        if self.face_crop + self.whole > 1:
            raise ConfigError(
                f"face_crop + whole is {self.face_crop + self.whole:g}, expected at most 1"
            )
        if not 0 <= self.min_face <= self.size:
            raise ConfigError(f"min_face is {self.min_face}, expected pixels from 0 to {self.size}")


class Window(NamedTuple):
    """A square of the image's pixel grid, which may reach beyond the image."""

    x: int
    y: int
    side: int


class _Placement(NamedTuple):
    """The part of an image that is in view and where it comes to lie, both ``x1 y1 x2 y2``."""

    source: tuple[int, int, int, int]
    target: tuple[int, int, int, int]


def augment(
    image: Image, boxes_M4: Float32, ignore_M: Flags, config: AugmentConfig, generator: Generator
) -> tuple[Image, Float32, Flags]:
    """Make one training sample of uint8 (H, W, 3) RGB and its M faces.

    Returns uint8 (size, size, 3), float32 boxes in pixels of it, within [0, size] and with an
    area, and their ignore flags. A face stays when its centre is in view, clipped to what is in
    view. It stays as ignored when it came as ignored, is smaller than ``min_face`` or shows more
    than ``min_visible`` of itself without its centre. All other faces are dropped.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image must be uint8 (H, W, 3), got {image.dtype} {image.shape}")
    if boxes_M4.shape != (len(ignore_M), 4):
        raise ValueError(f"boxes are {boxes_M4.shape}, expected ({len(ignore_M)}, 4)")
    height, width = image.shape[:2]
    faces_F4 = boxes_M4[~ignore_M & _centre_within(boxes_M4, (0, 0, width, height))]
    window = draw_window(height, width, faces_F4, config, generator)
    placement = _place(window, height, width, config.size)
    canvas = _render(image, placement, config, generator)
    boxes, ignore = _move_boxes(boxes_M4, ignore_M, placement, config)
    if generator.random() < config.flip:
        canvas = np.ascontiguousarray(canvas[:, ::-1])
        boxes[:, [0, 2]] = config.size - boxes[:, [2, 0]]
    return canvas, boxes, ignore


def draw_window(
    height: int, width: int, faces_F4: Float32, config: AugmentConfig, generator: Generator
) -> Window:
    """Draw the crop for an image whose faces to learn from are ``faces_F4``.

    The centre of each face must lie in the image and its area must be positive.
    """
    choice = generator.random()
    if choice < config.face_crop and len(faces_F4):
        face = faces_F4[generator.integers(len(faces_F4))]
        return _anchor_window(height, width, face, config.size, generator)
    if config.face_crop <= choice < config.face_crop + config.whole:
        return _whole_window(height, width, generator)
    return _square_window(height, width, faces_F4, config, generator)


def distort_colours(image: Image, probability: float, generator: Generator) -> Image:
    """Change brightness, contrast, saturation and hue, each with ``probability``, as SSD does.

    Brightness moves by up to 32, contrast and saturation change by a factor from 0.5 to 1.5, hue
    turns by up to 18 degrees. Takes and returns uint8 (H, W, 3) RGB; the input is left as it is.
    """
    brightness, contrast, saturation, hue = generator.random(4) < probability
    levels = np.arange(256, dtype=np.float64)
    if brightness:
        levels += generator.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    if contrast:
        levels *= generator.uniform(*_GAIN)
    tone_first = generator.random() < 0.5
    tones = _to_bytes(levels) if brightness or contrast else None
    if tones is not None and tone_first:
        image = _map_levels(image, tones)
    if saturation or hue:
        gain = generator.uniform(*_GAIN) if saturation else 1.0
        turn = generator.uniform(-_HUE_DEGREES, _HUE_DEGREES) if hue else 0.0
        image = _turn_colours(image, gain, turn)
    if tones is not None and not tone_first:
        image = _map_levels(image, tones)
    return image


def _anchor_window(
    height: int, width: int, face: Float32, size: int, generator: Generator
) -> Window:
    """Crop so that one face, wholly in view, gets the size of an anchor.

    The anchor is drawn from those up to one above the face's own, and varied by up to half an
    octave. The window stays in the image as far as it fits.
    """
    limits = (width, height, width, height)
    x1, y1 = (int(c) for c in np.floor(np.clip(face, 0, limits)[:2]))
    x2, y2 = (int(c) for c in np.ceil(np.clip(face, 0, limits)[2:]))
    face_side = float(np.sqrt(np.prod(face[2:] - face[:2])))
    anchors = np.array([side for side in ANCHOR_SIDES if side <= size])
    own = int(np.argmin(np.abs(anchors - face_side)))
    target = anchors[generator.integers(min(own + 2, len(anchors)))]
    target *= 2.0 ** generator.uniform(-0.5, 0.5)
    side = max(int(np.ceil(face_side * size / target)), x2 - x1, y2 - y1)
    x = _draw_start(x1, x2, side, width, generator)
    y = _draw_start(y1, y2, side, height, generator)
    return Window(x, y, side)


def _draw_start(low: int, high: int, side: int, length: int, generator: Generator) -> int:
    """Draw where a window starts on one axis: it holds ``low..high`` and most of the image."""
    room = length - side
    first = max(high - side, min(0, room))
    last = min(low, max(0, room))
    return int(generator.integers(first, last + 1))


def _whole_window(height: int, width: int, generator: Generator) -> Window:
    side = max(height, width)
    x = _draw_start(0, width, side, width, generator)
    y = _draw_start(0, height, side, height, generator)
    return Window(x, y, side)


def _square_window(
    height: int, width: int, faces_F4: Float32, config: AugmentConfig, generator: Generator
) -> Window:
    """Draw squares inside the image until one shows a face to learn from, else take the whole."""
    shares = generator.uniform(*SQUARE_SIDES, size=_SQUARE_TRIALS)
    sides = np.maximum(1, (min(height, width) * shares).astype(np.int64))
    starts = generator.random((_SQUARE_TRIALS, 2))
    xy = (starts * (np.array([width, height]) - sides[:, None] + 1)).astype(np.int64)
    shows_face = np.ones(_SQUARE_TRIALS, bool)
    if len(faces_F4):
        offsets = ((faces_F4[:, :2] + faces_F4[:, 2:]) / 2)[None] - xy[:, None]
        inside = np.all((offsets >= 0) & (offsets < sides[:, None, None]), axis=2)
        shorter_F = (faces_F4[:, 2:] - faces_F4[:, :2]).min(axis=1)
        large = shorter_F[None] * config.size >= config.min_face * sides[:, None]
        shows_face = np.any(inside & large, axis=1)
    if not shows_face.any():
        return _whole_window(height, width, generator)
    first = int(np.argmax(shows_face))
    return Window(int(xy[first, 0]), int(xy[first, 1]), int(sides[first]))


def _place(window: Window, height: int, width: int, size: int) -> _Placement:
    """Lay the part of the window that is image on the pixel grid of the output."""

    def axis(start: int, length: int) -> tuple[int, int, int, int]:
        low, high = max(start, 0), min(start + window.side, length)
        scale = size / window.side
        first = min(round((low - start) * scale), size - 1)
        return low, high, first, max(round((high - start) * scale), first + 1)

    x1, x2, left, right = axis(window.x, width)
    y1, y2, top, bottom = axis(window.y, height)
    return _Placement((x1, y1, x2, y2), (left, top, right, bottom))


def _render(
    image: Image, placement: _Placement, config: AugmentConfig, generator: Generator
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
    canvas = np.empty((config.size, config.size, 3), np.uint8)
    canvas[:] = MEAN_COLOUR
    canvas[top:bottom, left:right] = distort_colours(
        np.asarray(patch, np.uint8), config.photometric, generator
    )
    return canvas


def _move_boxes(
    boxes_M4: Float32, ignore_M: Flags, placement: _Placement, config: AugmentConfig
) -> tuple[Float32, Flags]:
    """Carry boxes from the image to the output; the same mapping as that of the pixels."""
    source, target = (np.array(rectangle, np.float64) for rectangle in placement)
    whole_M4 = boxes_M4.astype(np.float64)
    low, high = np.tile(source[:2], 2), np.tile(source[2:], 2)
    clipped_M4 = np.clip(whole_M4, low, high)
    area_M = _areas(whole_M4)
    share_M = np.divide(_areas(clipped_M4), area_M, out=np.zeros_like(area_M), where=area_M > 0)
    has_centre_M = _centre_within(boxes_M4, placement.source)
    stays_M = (share_M > 0) & (has_centre_M | (share_M > config.min_visible))
    scale = np.tile((target[2:] - target[:2]) / (source[2:] - source[:2]), 2)
    mapped = (clipped_M4[stays_M] - low) * scale + np.tile(target[:2], 2)
    moved = np.clip(mapped, 0, config.size).astype(np.float32)
    small = (moved[:, 2:] - moved[:, :2]).min(axis=1, initial=np.inf) < config.min_face
    return moved, ignore_M[stays_M] | ~has_centre_M[stays_M] | small


def _centre_within(boxes_M4: Float32, rectangle: tuple[int, int, int, int]) -> Flags:
    """Tell which boxes have an area and their centre in ``rectangle`` ``x1 y1 x2 y2``."""
    low, high = np.array(rectangle[:2]), np.array(rectangle[2:])
    centres_M2 = (boxes_M4[:, :2].astype(np.float64) + boxes_M4[:, 2:]) / 2
    inside_M2 = (centres_M2 >= low) & (centres_M2 < high)
    return np.asarray(np.all(inside_M2 & (boxes_M4[:, 2:] > boxes_M4[:, :2]), axis=1))


def _areas(boxes_M4: NDArray[np.float64]) -> NDArray[np.float64]:
    sides_M2 = np.maximum(boxes_M4[:, 2:] - boxes_M4[:, :2], 0)
    return sides_M2[:, 0] * sides_M2[:, 1]


def _turn_colours(image: Image, gain: float, turn: float) -> Image:
    """Multiply saturation by ``gain`` and turn hue by ``turn`` degrees through two tables."""
    levels = np.arange(256)
    # The FULL conversions spread the circle of hues over all 256 levels of a byte.
    hues = (levels + round(turn * 256 / 360)) % 256
    table = np.stack([hues.astype(np.uint8), _to_bytes(levels * gain), _to_bytes(levels)], axis=-1)
    hsv = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL), np.uint8)
    turned = cv2.cvtColor(_map_levels(hsv, table[None]), cv2.COLOR_HSV2RGB_FULL)
    return np.asarray(turned, np.uint8)


def _map_levels(image: Image, table: Image) -> Image:
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _to_bytes(levels: NDArray[np.generic]) -> Image:
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)

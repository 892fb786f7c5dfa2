"""Changes of colour in training."""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nasface.arrays import Image

_BRIGHTNESS = 32.0
_GAIN = (0.5, 1.5)
_HUE_DEGREES = 18.0


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


def to_grey(image: Image) -> Image:
    """Take the colours out of uint8 (H, W, 3) RGB, which stays of three channels."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


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

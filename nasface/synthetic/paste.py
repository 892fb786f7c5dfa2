"""Placing a grey crop on a photograph: rotated, tinted, lit, blurred, occluded, with soft edges."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nasface.arrays import Floats, Image

ASPECT = 1.2
"""Height over width of a placed crop, close to that of an annotated face."""


@dataclass(frozen=True)
class Pasted:
    """What was placed: its upright box ``x1 y1 x2 y2`` and WIDER FACE's attributes of it."""

    box: NDArray[np.float64]
    is_face: bool
    blur: int
    illumination: int
    occlusion: int
    pose: int

    def row(self) -> list[int]:
        """Return the annotation row: x y w h, blur, expression, illumination, invalid, occlusion,
        pose."""
        x1, y1, x2, y2 = (round(float(value)) for value in self.box)
        return [
            x1, y1, x2 - x1, y2 - y1, self.blur, 0, self.illumination, 0, self.occlusion, self.pose
        ]  # fmt: skip


def rotated_extent(side: float, angle: float) -> tuple[float, float]:
    """Return half the width and height of the box around an ellipse ``side`` high, turned by
    degrees."""
    a, b, turn = side / ASPECT / 2, side / 2, np.deg2rad(angle)
    cos, sin = np.cos(turn) ** 2, np.sin(turn) ** 2
    return float(np.sqrt(a * a * cos + b * b * sin)), float(np.sqrt(a * a * sin + b * b * cos))


def paste(
    canvas: Image,
    crop: Floats,
    centre: tuple[float, float],
    side: float,
    angle: float,
    is_face: bool,
    generator: np.random.Generator,
) -> Pasted:
    """Place a crop (values in [0, 1]) on ``canvas``, in place; ``side`` is its height in pixels."""
    half_width, half_height = rotated_extent(side, angle)
    box = np.array(
        [
            centre[0] - half_width,
            centre[1] - half_height,
            centre[0] + half_width,
            centre[1] + half_height,
        ]
    )
    surround = _window(canvas, box)
    grey = crop[:, ::-1] if generator.random() < 0.5 else crop
    patch, illumination = _lit(np.ascontiguousarray(grey, np.float32), surround, generator)
    # From crop coordinates to the image: scale, turn about the centre, move.
    size = crop.shape[0]
    matrix = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), angle, 1.0)
    scale = np.diag([side / ASPECT / size, side / size])
    turn = matrix[:, :2]
    linear = turn @ scale
    shift = np.array(centre) - linear @ np.full(2, (size - 1) / 2)
    placing = np.concatenate([linear, shift[:, None]], axis=1)
    frame = (canvas.shape[1], canvas.shape[0])
    layer = cv2.warpAffine(
        patch, placing, frame, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    blur = _blur_level(side, generator)
    if blur:
        layer = cv2.GaussianBlur(layer, (0, 0), blur * max(0.6, side / 60))
    layer = layer + generator.normal(0, generator.uniform(0, 6), layer.shape)
    mask = _ellipse(frame, centre, side, angle)
    occlusion = _occlude(mask, box, generator) if is_face else 0
    mixed = canvas + mask[..., None] * (layer - canvas)
    np.copyto(canvas, np.clip(mixed, 0, 255).astype(np.uint8))
    return Pasted(box, is_face, blur, illumination, occlusion, int(abs(angle) > 20))


def _window(canvas: Image, box: NDArray[np.float64]) -> Image:
    x1, y1 = np.maximum(np.floor(box[:2]).astype(int), 0)
    x2, y2 = np.ceil(box[2:]).astype(int) + 1
    return canvas[y1:y2, x1:x2]


def _lit(
    grey: Floats, surround: Image, generator: np.random.Generator
) -> tuple[NDArray[np.float32], int]:
    """Return the crop in colour (0 to 255), lit much as its surroundings are, sometimes from a
    side."""
    tint = np.array([1.0, generator.uniform(0.72, 0.9), generator.uniform(0.55, 0.85)])
    if generator.random() < 0.3:
        tint = np.full(3, 1.0)
    target = 0.5 * float(surround.mean()) + generator.uniform(45, 95)
    contrast = generator.uniform(0.7, 1.2)
    level = 255 * contrast * (grey - grey.mean()) + target
    side_light = generator.uniform(-0.35, 0.35)
    ramp = 1 + side_light * np.linspace(-1, 1, grey.shape[1])[None, :]
    lit = np.clip((level * ramp)[..., None] * tint, 0, 255).astype(np.float32)
    return lit, int(abs(side_light) > 0.28)


def _blur_level(side: float, generator: np.random.Generator) -> int:
    """Return 0 for no blur, 1 for some, 2 for heavy; small faces are left sharp enough to be
    seen."""
    draw = generator.random()
    if side < 20 or draw < 0.6:
        return 0
    return 1 if draw < 0.9 else 2


def _ellipse(
    frame: tuple[int, int], centre: tuple[float, float], side: float, angle: float
) -> NDArray[np.float64]:
    """Return a mask in [0, 1], one inside the face's ellipse, falling softly at its edge."""
    x, y = np.meshgrid(np.arange(frame[0]) - centre[0], np.arange(frame[1]) - centre[1])
    turn = np.deg2rad(angle)
    u = (x * np.cos(turn) - y * np.sin(turn)) / (side / ASPECT / 2)
    v = (x * np.sin(turn) + y * np.cos(turn)) / (side / 2)
    softness = max(0.08, 1.5 / side)
    mask: NDArray[np.float64] = np.clip((1 - np.hypot(u, v)) / softness + 0.5, 0, 1)
    return mask


def _occlude(
    mask: NDArray[np.float64], box: NDArray[np.float64], generator: np.random.Generator
) -> int:
    """Let the background show on one side of the box: 0 none, 1 up to 20 %, 2 up to 35 %."""
    if generator.random() < 0.75:
        return 0
    share = generator.uniform(0.08, 0.35)
    x1, y1, x2, y2 = box
    if generator.random() < 0.5:
        cut = int(y2 - share * (y2 - y1))
        mask[cut:] = 0.0
    elif generator.random() < 0.5:
        mask[:, int(x2 - share * (x2 - x1)) :] = 0.0
    else:
        mask[:, : int(x1 + share * (x2 - x1))] = 0.0
    return 1 if share <= 0.2 else 2

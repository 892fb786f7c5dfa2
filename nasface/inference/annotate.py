"""Boxes on photographs. Images are RGB uint8 (H, W, 3), boxes ``x1 y1 x2 y2`` in their pixels."""

from collections.abc import Sequence

import cv2
import numpy as np

from nasface.arrays import Floats, Image

DETECTED = (255, 64, 32)
ANNOTATED = (40, 200, 255)


def draw_boxes(
    image: Image, boxes_N4: Floats, scores_N: Floats | None = None, truth_M4: Floats | None = None
) -> Image:
    """Return a copy with detections (with their scores) and, below them, annotated faces drawn."""
    canvas = np.ascontiguousarray(image).copy()
    width = max(1, round(max(canvas.shape[:2]) / 400))
    for box in () if truth_M4 is None else truth_M4:
        _rectangle(canvas, box, ANNOTATED, width)
    # Weakest first, so that the surest boxes lie on top.
    for at in range(len(boxes_N4))[::-1]:
        _rectangle(canvas, boxes_N4[at], DETECTED, width)
        if scores_N is not None:
            _label(canvas, boxes_N4[at], f"{scores_N[at]:.2f}", width)
    return canvas


def contact_sheet(images: Sequence[Image], columns: int, cell: tuple[int, int]) -> Image:
    """Return the images letter-boxed into a grid of cells of (height, width) pixels, row by row."""
    if not images or columns < 1:
        raise ValueError(
            f"{len(images)} images in {columns} columns: expected at least one of each"
        )
    height, width = cell
    rows = -(-len(images) // columns)
    sheet = np.full((rows * height, columns * width, 3), 255, dtype=np.uint8)
    for at, image in enumerate(images):
        ratio = min(height / image.shape[0], width / image.shape[1])
        size = (max(1, int(image.shape[1] * ratio)), max(1, int(image.shape[0] * ratio)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        top = at // columns * height + (height - size[1]) // 2
        left = at % columns * width + (width - size[0]) // 2
        sheet[top : top + size[1], left : left + size[0]] = small
    return sheet


def _rectangle(canvas: Image, box: Floats, colour: tuple[int, int, int], width: int) -> None:
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, width)


def _label(canvas: Image, box: Floats, text: str, width: int) -> None:
    """Write white text on the colour of the box, above it or, at the border, inside."""
    scale = 0.33 + 0.12 * width
    (w, h), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x, y = round(float(box[0])), round(float(box[1]))
    top = y - h - base if y - h - base >= 0 else y
    cv2.rectangle(canvas, (x, top), (x + w, top + h + base), DETECTED, cv2.FILLED)
    cv2.putText(
        canvas, text, (x, top + h), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA
    )

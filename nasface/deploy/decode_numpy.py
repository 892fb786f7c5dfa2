"""Boxes from a face detector's heads, with NumPy alone.

``recipe`` is the JSON file beside the detector, read. Boxes are ``x1 y1 x2 y2`` in pixels.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def normalise(recipe: dict[str, Any], image: Array) -> Array:
    """Return an RGB image uint8 (H, W, 3) as the detector takes it: float32 (B, 3, H, W).

    B is 1, or the batch size that the detector's file is fixed to: the image is repeated.
    """
    mean, deviation = (np.float32(recipe[key]) for key in ("mean", "standard_deviation"))
    values = (image.astype(np.float32) / 255 - mean) / deviation
    batch = (recipe.get("size") or [1])[-1]
    return np.repeat(values.transpose(2, 0, 1)[None], batch, axis=0)


def anchor_boxes(recipe: dict[str, Any], height: int, width: int) -> Array:
    """Return the anchors (A, 4) for images of a height and width, in the order of the heads."""
    root = np.sqrt(recipe["height_over_width"])
    levels = []
    for stride, sides in zip(recipe["strides"], recipe["sides"], strict=True):
        x = (np.arange(-(-width // stride)) + 0.5) * stride
        y = (np.arange(-(-height // stride)) + 0.5) * stride
        centres = np.stack(np.meshgrid(x, y), axis=-1)[:, :, None]
        halves = np.array([[side / root / 2, side * root / 2] for side in sides])
        boxes = np.concatenate([centres - halves, centres + halves], axis=-1)
        levels.append(boxes.reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)


def decode_boxes(recipe: dict[str, Any], deltas: Array, anchors: Array) -> Array:
    """Return boxes (A, 4) from the offsets (A, 4) of one image."""
    size = anchors[:, 2:] - anchors[:, :2]
    centre = (anchors[:, :2] + anchors[:, 2:]) / 2
    centre = centre + deltas[:, :2] * np.float32(recipe["centre_variance"]) * size
    growth = deltas[:, 2:] * np.float32(recipe["size_variance"])
    size = size * np.exp(np.minimum(growth, np.float32(recipe["largest_log_size"])))
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def face_scores(logits: Array) -> Array:
    """Return the scores (A,) of a face from the logits (A, 2) of one image."""
    scores: Array = np.exp(-np.logaddexp(0, logits[:, 0] - logits[:, 1]))  # without an overflow
    return scores


def suppress_boxes(recipe: dict[str, Any], boxes: Array, scores: Array) -> list[int]:
    """Return the numbers of the boxes that greedy suppression keeps, best score first."""
    order = np.argsort(-scores, kind="stable")[: recipe["pre_nms_top_k"]]
    order = order[scores[order] >= np.float32(recipe["score_threshold"])]
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    kept: list[int] = []
    while len(order) and len(kept) < recipe["max_detections"]:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        union = areas[best] + areas[order] - shared
        order = order[shared <= np.float32(recipe["nms_iou"]) * np.where(union > 0, union, 1)]
    return kept


def decode_heads(
    recipe: dict[str, Any], logits: Array, deltas: Array, height: int, width: int
) -> tuple[Array, Array]:
    """Return boxes (N, 4) and scores (N,) of an image of ``height`` x ``width``, best first.

    ``logits`` (A, 2) and ``deltas`` (A, 4) are the detector's outputs for it.
    """
    boxes = decode_boxes(recipe, deltas, anchor_boxes(recipe, height, width))
    scores = face_scores(logits)
    kept = suppress_boxes(recipe, boxes, scores)
    return boxes[kept], scores[kept]

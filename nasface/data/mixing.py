"""Training samples made of several images: mosaics, and faces copied from one to another."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from nasface.arrays import Float32
from nasface.data.augment import AugmentConfig, Sample, augment, move_boxes
from nasface.data.windows import ANCHOR_SIDES

SPLIT = (0.3, 0.7)
"""Where the tiles of a mosaic meet, as shares of its sides."""

MAX_PASTED = 3
"""Faces that are pasted at most into one sample."""

CONTEXT = 0.3
"""Surroundings that come along with a face on each side, as a share of it."""

_TRIALS = 10
"""Places tried for a face."""


def draw_sample(
    load: Callable[[int], Sample],
    images: int,
    position: int,
    config: AugmentConfig,
    generator: Generator,
    *,
    mixes: bool,
) -> Sample:
    """Return the training sample of the image at ``position`` of so many ``images``.

    ``load`` gives an image with its faces. Without ``mixes`` no other image has a part in it.
    """
    if mixes and config.mosaic and generator.random() < config.mosaic:
        others = generator.integers(images, size=3).tolist()
        return mosaic([load(each) for each in (position, *others)], config, generator)
    sample = augment(*load(position), config, generator)
    if mixes and config.copy_paste and generator.random() < config.copy_paste:
        return paste_faces(sample, load(int(generator.integers(images))), config, generator)
    return sample


def mosaic(images: list[Sample], config: AugmentConfig, generator: Generator) -> Sample:
    """Crop four images as the tiles of one sample (YOLOv4, Bochkovskiy et al., arXiv 2004.10934,
    section 3.3), which meet at a point drawn from the middle.

    A face that a tile cuts is kept, ignored or dropped as at the border of a crop.
    """
    size = config.size
    across, down = (round(each * size) for each in generator.uniform(*SPLIT, size=2))
    canvas = np.empty((size, size, 3), np.uint8)
    boxes, ignore = [], []
    regions = (
        (0, 0, across, down),
        (across, 0, size, down),
        (0, down, across, size),
        (across, down, size, size),
    )
    for image, (x1, y1, x2, y2) in zip(images, regions, strict=True):
        width, height = x2 - x1, y2 - y1
        side = max(width, height, ANCHOR_SIDES[0])
        tile = augment(*image, config, generator, side)
        x, y = (int(generator.integers(side - each + 1)) for each in (width, height))
        canvas[y1:y2, x1:x2] = tile.image[y : y + height, x : x + width]
        moved = move_boxes(
            tile.boxes_M4, tile.ignore_M, (x, y, x + width, y + height), (x1, y1, x2, y2), config
        )
        boxes.append(moved[0])
        ignore.append(moved[1])
    return Sample(canvas, np.concatenate(boxes), np.concatenate(ignore))


def paste_faces(
    sample: Sample, source: Sample, config: AugmentConfig, generator: Generator
) -> Sample:
    """Copy up to three faces of ``source``, with what is around them, into a training sample.

    Copies of objects help with small ones (Kisantal et al., arXiv 1902.07296); borders are blended
    softly, since a detector learns hard ones (Dwibedi et al., ICCV 2017, arXiv 1708.01642). Each
    copy gets a side drawn by octaves from ``face_sides``, up to twice its own.

    Only faces that count and lie wholly in their image are copied, and only to where nothing
    annotated is covered, ignored faces and earlier copies included; a face that finds no such place
    is left out. Other faces in the surroundings of a copy come along as ignored.
    """
    height, width = source.image.shape[:2]
    boxes_M4 = source.boxes_M4
    inside_M = np.all((boxes_M4[:, :2] >= 0) & (boxes_M4[:, 2:] <= (width, height)), axis=1)
    has_area_M = np.all(boxes_M4[:, 2:] - boxes_M4[:, :2] >= 1, axis=1)
    fit = np.flatnonzero(~source.ignore_M & inside_M & has_area_M)
    for face in generator.permutation(fit)[: generator.integers(1, MAX_PASTED + 1)]:
        sample = _paste(sample, source, int(face), config, generator)
    return sample


def _paste(
    sample: Sample, source: Sample, face: int, config: AugmentConfig, generator: Generator
) -> Sample:
    """Paste one face, if a place is found for it."""
    x1, y1, x2, y2 = _surroundings(source, face)
    box = source.boxes_M4[face]
    own = float(np.sqrt(np.prod(box[2:] - box[:2])))
    low, high = np.log(config.face_sides)
    side = min(float(np.exp(generator.uniform(low, high))), 2 * own)
    width, height = (max(1, round(each * side / own)) for each in (x2 - x1, y2 - y1))
    size = len(sample.image)
    if max(width, height) > size:
        return sample
    for _ in range(_TRIALS):
        x, y = (int(generator.integers(size - each + 1)) for each in (width, height))
        target = (x, y, x + width, y + height)
        if not _covers(sample.boxes_M4, target):
            break
    else:
        return sample
    image = sample.image.copy()
    patch = cv2.resize(
        source.image[y1:y2, x1:x2],
        (width, height),
        interpolation=cv2.INTER_AREA if side < own else cv2.INTER_LINEAR,
    )
    place = image[y : y + height, x : x + width]
    mask = _soft_mask(height, width)
    place[:] = np.rint(place + mask * (patch.astype(np.float32) - place)).astype(np.uint8)
    others = np.arange(len(source.boxes_M4)) != face
    moved, ignore = move_boxes(
        source.boxes_M4, source.ignore_M | others, (x1, y1, x2, y2), target, config
    )
    return Sample(
        image,
        np.concatenate([sample.boxes_M4, moved]),
        np.concatenate([sample.ignore_M, ignore]),
    )


def _surroundings(source: Sample, face: int) -> tuple[int, int, int, int]:
    """Return the rectangle that is copied with a face, within its image."""
    height, width = source.image.shape[:2]
    box = source.boxes_M4[face].astype(np.float64)
    margin = np.tile(CONTEXT * (box[2:] - box[:2]), 2) * (-1, -1, 1, 1)
    x1, y1, x2, y2 = (box + margin).tolist()
    return max(0, int(x1)), max(0, int(y1)), min(width, round(x2)), min(height, round(y2))


def _covers(boxes_M4: Float32, target: tuple[int, int, int, int]) -> bool:
    """Return whether a rectangle and any of the boxes share an area."""
    low = np.maximum(boxes_M4[:, :2], target[:2])
    high = np.minimum(boxes_M4[:, 2:], target[2:])
    return bool(np.all(high > low, axis=1).any())


def _soft_mask(height: int, width: int) -> Float32:
    """Return a mask (height, width, 1): 1 in the middle, falling to 0 at the border within the
    surroundings."""
    border = CONTEXT / (1 + 2 * CONTEXT)

    def ramp(length: int) -> Float32:
        share = (np.arange(length, dtype=np.float32) + 0.5) / length
        return np.minimum(1, np.minimum(share, 1 - share) / border)

    return np.minimum.outer(ramp(height), ramp(width))[..., None]

"""Training crops: a table of ways to draw the part of an image that is shown.

Each has a setting of its name in :class:`~nasface.data.augment.AugmentConfig`, its probability;
what they leave of 1 is random squares as in SSD (Liu et al., ECCV 2016).
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.random import Generator

from nasface.arrays import Float32

if TYPE_CHECKING:
    from nasface.data.augment import AugmentConfig

ANCHOR_SIDES = (16, 32, 64, 128, 256, 512)
"""Anchor sides in pixels among which data-anchor sampling draws the size of a face."""

SQUARE_SIDES = (0.3, 1.0)
"""Least and greatest side of a random square, as a share of the image's short side."""

NEAR_FACE = 0.75
"""Probability that a crop of a drawn scale lies around a face."""

_SQUARE_TRIALS = 50
_IN_VIEW = (0.08, 0.92)
"""Where the centre of a face may come to lie in a crop that is drawn for it, as a share."""


class Window(NamedTuple):
    """A rectangle of the image's pixel grid, which may reach beyond the image."""

    x: int
    y: int
    width: int
    height: int


class Scene(NamedTuple):
    """An image that a window is drawn on: its size, its F faces to learn from, and the side of the
    square that the window becomes, in pixels."""

    height: int
    width: int
    faces_F4: Float32
    size: int


DrawWindow = Callable[[Scene, "AugmentConfig", Generator], Window | None]
"""Draws a window; None where the image has no face for it."""


def draw_window(scene: Scene, config: "AugmentConfig", generator: Generator) -> Window:
    """Draw the crop of an image, by the probabilities of the settings.

    The centre of each face must lie in the image and its area must be positive.
    """
    choice, bound = generator.random(), 0.0
    for name, draw in WINDOWS.items():
        first, bound = bound, bound + getattr(config, name)
        if first <= choice < bound:
            window = draw(scene, config, generator)
            if window is not None:
                return window
    return _square_window(scene, config, generator)


def anchor_window(scene: Scene, config: "AugmentConfig", generator: Generator) -> Window | None:
    """Crop so that one face, wholly in view, gets the size of an anchor: data-anchor sampling
    (PyramidBox, Tang et al., ECCV 2018, section 3.3).

    The anchor is drawn from those up to one above the face's own, and varied by up to half an
    octave. The window stays in the image as far as it fits.
    """
    if not len(scene.faces_F4):
        return None
    face = scene.faces_F4[generator.integers(len(scene.faces_F4))]
    limits = (scene.width, scene.height, scene.width, scene.height)
    x1, y1 = (int(c) for c in np.floor(np.clip(face, 0, limits)[:2]))
    x2, y2 = (int(c) for c in np.ceil(np.clip(face, 0, limits)[2:]))
    face_side = float(np.sqrt(np.prod(face[2:] - face[:2])))
    anchors = np.array([side for side in ANCHOR_SIDES if side <= scene.size])
    own = int(np.argmin(np.abs(anchors - face_side)))
    target = anchors[generator.integers(min(own + 2, len(anchors)))]
    target *= 2.0 ** generator.uniform(-0.5, 0.5)
    side = max(int(np.ceil(face_side * scene.size / target)), x2 - x1, y2 - y1)
    x = _draw_start(x1, x2, side, scene.width, generator)
    y = _draw_start(y1, y2, side, scene.height, generator)
    return Window(x, y, side, side)


def whole_window(scene: Scene, config: "AugmentConfig", generator: Generator) -> Window:
    """Return the whole image, as a square with a border."""
    side = max(scene.height, scene.width)
    x = _draw_start(0, scene.width, side, scene.width, generator)
    y = _draw_start(0, scene.height, side, scene.height, generator)
    return Window(x, y, side, side)


def face_size_window(scene: Scene, config: "AugmentConfig", generator: Generator) -> Window | None:
    """Crop so that one face, with its centre in view, gets a side drawn evenly on a logarithmic
    scale from ``face_sides``, so that each octave of sizes is as frequent."""
    if not len(scene.faces_F4):
        return None
    face = scene.faces_F4[generator.integers(len(scene.faces_F4))]
    side = float(np.sqrt(np.prod(face[2:] - face[:2])))
    scale = _octaves(config.face_sides, generator) / side
    return _window_around(face, float(np.clip(scale, *config.scales)), scene, config, generator)


def scale_window(scene: Scene, config: "AugmentConfig", generator: Generator) -> Window:
    """Return a window of large-scale jitter (Ghiasi et al., CVPR 2021, arXiv 2012.07177, section
    3): a scale drawn from ``scales``, then a crop, or a border where the image is smaller.

    Deviations: the scale is drawn evenly on a logarithmic scale, and three crops of four lie around
    a face, since most of a photograph shows none.
    """
    scale = _octaves(config.scales, generator)
    face = None
    if len(scene.faces_F4) and generator.random() < NEAR_FACE:
        face = scene.faces_F4[generator.integers(len(scene.faces_F4))]
    return _window_around(face, scale, scene, config, generator)


WINDOWS: Mapping[str, DrawWindow] = MappingProxyType(
    {
        "face_crop": anchor_window,
        "whole": whole_window,
        "face_size_crop": face_size_window,
        "scale_crop": scale_window,
    }
)
"""Setting that holds the probability -> what draws the window."""


def _octaves(limits: tuple[float, float], generator: Generator) -> float:
    """Return a number drawn evenly on a logarithmic scale."""
    low, high = (math.log(each) for each in limits)
    return math.exp(generator.uniform(low, high))


def _window_around(
    face: Float32 | None,
    scale: float,
    scene: Scene,
    config: "AugmentConfig",
    generator: Generator,
) -> Window:
    """Return a window that is shown at a scale, around the centre of a face or anywhere.

    It stays in the image, or holds all of it, on each axis.
    """
    stretch = math.exp(generator.uniform(-1, 1) * config.aspect_jitter / 2)
    extents = (scene.size / (scale * stretch), scene.size * stretch / scale)
    starts, sides = [], []
    for axis, (length, extent) in enumerate(zip((scene.width, scene.height), extents, strict=True)):
        side = max(1, round(extent))
        room = length - side
        if face is None:
            start = min(room, 0) + abs(room) * generator.random()
        else:
            centre = float(face[axis] + face[axis + 2]) / 2
            wanted = centre - generator.uniform(*_IN_VIEW) * side
            start = min(max(wanted, min(room, 0)), max(room, 0))
        starts.append(round(start))
        sides.append(side)
    return Window(*starts, *sides)


def _draw_start(low: int, high: int, side: int, length: int, generator: Generator) -> int:
    """Draw where a window starts on one axis: it holds ``low..high`` and most of the image."""
    room = length - side
    first = max(high - side, min(0, room))
    last = min(low, max(0, room))
    return int(generator.integers(first, last + 1))


def _square_window(scene: Scene, config: "AugmentConfig", generator: Generator) -> Window:
    """Draw squares inside the image until one shows a face to learn from, else take the whole."""
    height, width, faces_F4, size = scene
    shares = generator.uniform(*SQUARE_SIDES, size=_SQUARE_TRIALS)
    sides = np.maximum(1, (min(height, width) * shares).astype(np.int64))
    starts = generator.random((_SQUARE_TRIALS, 2))
    xy = (starts * (np.array([width, height]) - sides[:, None] + 1)).astype(np.int64)
    shows_face = np.ones(_SQUARE_TRIALS, bool)
    if len(faces_F4):
        offsets = ((faces_F4[:, :2] + faces_F4[:, 2:]) / 2)[None] - xy[:, None]
        inside = np.all((offsets >= 0) & (offsets < sides[:, None, None]), axis=2)
        shorter_F = (faces_F4[:, 2:] - faces_F4[:, :2]).min(axis=1)
        large = shorter_F[None] * size >= config.min_face * sides[:, None]
        shows_face = np.any(inside & large, axis=1)
    if not shows_face.any():
        return whole_window(scene, config, generator)
    first = int(np.argmax(shows_face))
    side = int(sides[first])
    return Window(int(xy[first, 0]), int(xy[first, 1]), side, side)

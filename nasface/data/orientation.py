"""Pictures that EXIF turns, and their boxes: from those as stored to those as shown, and back."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from nasface.arrays import Float32, Image

_Point = tuple[np.ndarray, np.ndarray]

_STORED: Mapping[int, Callable[..., _Point]] = MappingProxyType(
    {
        1: lambda x, y, w, h: (x, y),
        2: lambda x, y, w, h: (w - x, y),
        3: lambda x, y, w, h: (w - x, h - y),
        4: lambda x, y, w, h: (x, h - y),
        5: lambda x, y, w, h: (y, x),
        6: lambda x, y, w, h: (y, w - x),
        7: lambda x, y, w, h: (h - y, w - x),
        8: lambda x, y, w, h: (h - y, x),
    }
)
"""Orientation -> a point x, y of the picture as shown and its width, height -> that as stored."""
_INVERSE = {6: 8, 8: 6}

_SHOWN: Mapping[int, tuple[bool, int, int]] = MappingProxyType(
    {
        **{1: (False, 1, 1), 2: (False, 1, -1), 3: (False, -1, -1), 4: (False, -1, 1)},
        **{5: (True, 1, 1), 6: (True, 1, -1), 7: (True, -1, -1), 8: (True, -1, 1)},
    }
)
"""Orientation -> whether rows and columns change places, then which of them are turned round."""


def picture_as_shown(image: Image, orientation: int) -> Image:
    """Return a stored picture (H, W, 3) turned by EXIF's orientation, 1 to 8."""
    changes, rows, columns = _SHOWN[orientation]
    turned = image.swapaxes(0, 1) if changes else image
    return np.ascontiguousarray(turned[::rows, ::columns])


def boxes_as_stored(boxes_M4: Float32, orientation: int, shown: tuple[int, int]) -> Float32:
    """Return boxes ``x1 y1 x2 y2`` in pixels of the stored picture.

    ``orientation`` is EXIF's, 1 to 8, and ``shown`` is (height, width) of the turned picture, of
    which ``boxes_M4`` are.
    """
    height, width = shown
    x, y = _STORED[orientation](boxes_M4[:, ::2], boxes_M4[:, 1::2], width, height)
    corners = (x.min(1), y.min(1), x.max(1), y.max(1))
    return np.stack(corners, axis=1).astype(np.float32).reshape(-1, 4)


def boxes_as_shown(boxes_M4: Float32, orientation: int, stored: tuple[int, int]) -> Float32:
    """Return the same the other way round; ``stored`` is (height, width) of the stored picture."""
    return boxes_as_stored(boxes_M4, _INVERSE.get(orientation, orientation), stored)

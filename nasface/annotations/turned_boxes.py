"""Boxes that a tool turns round their centre, as CVAT writes them: upright, and an angle."""

from collections.abc import Sequence
from math import cos, isfinite, radians, sin


def box_round_turned(corners: Sequence[float], angle: object) -> list[float]:
    """Return the least upright box ``x1 y1 x2 y2`` round one that is turned by ``angle`` degrees.

    The angle is a number or its text; of anything else the box stays as it is.
    """
    x1, y1, x2, y2 = corners
    try:
        turn = radians(float(str(angle)))
    except ValueError:
        turn = 0.0
    if not isfinite(turn) or turn == 0:
        return [x1, y1, x2, y2]
    width, height = x2 - x1, y2 - y1
    half_x = (abs(width * cos(turn)) + abs(height * sin(turn))) / 2
    half_y = (abs(width * sin(turn)) + abs(height * cos(turn))) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return [x - half_x, y - half_y, x + half_x, y + half_y]

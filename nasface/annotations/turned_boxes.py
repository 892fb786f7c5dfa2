"""Boxes that a tool turns round their centre, as CVAT writes them: upright, and an angle."""

from collections.abc import Sequence
from math import cos, isfinite, radians, sin
from pathlib import Path

from nasface.annotations.records import ImageRecord

TURNED_BOX = "rotation"
"""Attribute that tells which boxes of an image a file turns; only images with such have it."""


def angle_of(written: object) -> float:
    """Return an angle in degrees that is a number or its text; 0 for anything else."""
    try:
        angle = float(str(written))
    except ValueError:
        return 0.0
    return angle if isfinite(angle) else 0.0


def box_round_turned(corners: Sequence[float], angle: float) -> list[float]:
    """Return the least upright box ``x1 y1 x2 y2`` round one turned by ``angle`` degrees."""
    x1, y1, x2, y2 = corners
    if angle == 0:
        return [x1, y1, x2, y2]
    turn = radians(angle)
    width, height = x2 - x1, y2 - y1
    half_x = (abs(width * cos(turn)) + abs(height * sin(turn))) / 2
    half_y = (abs(width * sin(turn)) + abs(height * cos(turn))) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return [x - half_x, y - half_y, x + half_x, y + half_y]


def assumes_of_turned(_root: Path, _split: str, records: Sequence[ImageRecord]) -> str:
    """Return how many boxes are turned, and how they are read; empty without any."""
    marks = (each.attributes[TURNED_BOX] for each in records if TURNED_BOX in each.attributes)
    count = sum(int(each.sum()) for each in marks)
    boxes = "1 box has" if count == 1 else f"{count} boxes have"
    said = f"{boxes} an attribute rotation, read as the upright box round the turned one"
    return said if count else ""

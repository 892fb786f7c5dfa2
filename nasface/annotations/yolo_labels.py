"""Label files of YOLO: a row for each object, its class and then shares of the image.

They are ``x y width height`` of the box with the centre at x, y; a polygon or turned box of three
or more points; or a box with points behind it. ``kpt_shape`` of the settings announces points;
files of yolov5-face and yolov7-face have the five of a face (10 or 15 numbers) without it.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nasface.annotations.layout import place_below
from nasface.annotations.names import excerpt, folded_name, without_suffix
from nasface.errors import DataError
from nasface.io.files import read_text

_LABELS: Mapping[str, str] = MappingProxyType(
    {"images": "labels", "Images": "Labels", "IMAGES": "LABELS"}
)
_BOX = 4
_FIVE_POINTS = _BOX + 10
"""Numbers of a box with five points; as many as those of a polygon with seven."""
_FIVE_MARKED_POINTS = _BOX + 15
"""The same, with a number after each point that tells whether it is seen."""
_FAR = 2.0
_NEARLY_ALL = 0.9
_LEAST_SPREAD = 1 / 3
"""Eyes and mouth are apart by some 0.4 of a face's height; less if it is cut."""


@dataclass(frozen=True)
class Label:
    """A row: where it stands, the number of its class, and the numbers behind."""

    place: str
    number: int
    values: tuple[float, ...]

    def corners(self, has_points: bool) -> list[float]:
        """Return ``x1 y1 x2 y2`` of the box, or of the least one round a polygon.

        ``has_points``: as many numbers as of a polygon are a box and points.
        """
        if len(self.values) == _FIVE_MARKED_POINTS or len(self.values) == _BOX or has_points:
            x, y, width, height = self.values[:_BOX]
            left, top = x - width / 2, y - height / 2
            return [left, top, left + max(width, 0), top + max(height, 0)]
        xs, ys = self.values[::2], self.values[1::2]
        return [min(xs), min(ys), max(xs), max(ys)]


def label_files(image: Path) -> Iterator[Path]:
    """Yield where the labels of an image may be: in ``labels`` in the place of an ``images`` above
    it, the last one first, else beside it; called ``a.txt``, else ``a.jpg.txt``."""
    parts = image.parts[:-1]
    for name in (f"{without_suffix(image.name)}.txt", f"{image.name}.txt"):
        for at in range(len(parts) - 1, -1, -1):
            if parts[at].lower() == "images":
                for word in dict.fromkeys((_LABELS.get(parts[at], "labels"), *_LABELS.values())):
                    yield Path(*parts[:at], word, *parts[at + 1 :], name)
        yield image.with_name(name)


def is_label_file(path: Path) -> bool:
    """Tell whether a path is that of a text file in a folder ``labels``."""
    folders = (part.lower() for part in path.parts[:-1])
    return path.suffix.lower() == ".txt" and "labels" in folders


def find_labels(images: Collection[Path]) -> dict[Path, Path]:
    """Return the label files of those images that have one.

    Names may differ in the case of their letters, as systems that do not tell case apart leave it.

    Raises:
        DataError: naming two images that differ in their suffix only, and so share their labels.
    """
    listings: dict[Path, dict[str, list[Path]]] = {}

    def alike(path: Path) -> list[Path]:
        """Return the files in the folder of a path that have its name, but for the case of
        letters."""
        if path.parent not in listings:
            listing = listings[path.parent] = {}
            folder = place_below(Path(path.anchor), path.parent.as_posix())
            if folder is not None and folder.is_dir():
                for name in os.listdir(folder):
                    listing.setdefault(folded_name(name), []).append(folder / name)
        return listings[path.parent].get(folded_name(path.name), [])

    found: dict[Path, Path] = {}
    owners: dict[Path, Path] = {}
    for image in images:
        path = next((each for each in label_files(image) if each in alike(each)), None)
        if path is not None:
            other = owners.setdefault(path, image)
            if other != image:
                raise DataError(
                    f"{path}: is the label file of {other.name} and of {image.name}; rename one of "
                    "the images, and its labels"
                )
            found[image] = path
    for image in images:
        if image not in found:
            near = (files[0] for each in label_files(image) if len(files := alike(each)) == 1)
            path = next((each for each in near if each not in owners), None)
            if path is not None:
                found[image], owners[path] = path, image
    return found


def read_labels(path: Path, has_points: bool) -> list[Label]:
    """Return the rows of a label file.

    Raises:
        DataError: naming file and line.
    """
    lines = enumerate(read_text(path, DataError, "labels").split("\n"), 1)
    return [_label(line, f"{path}:{at}", has_points) for at, line in lines if line.strip()]


def rows_have_points(labels: Iterable[Label], settings: Path) -> bool:
    """Tell whether rows of 14 numbers are boxes with five points, and not polygons of seven.

    Raises:
        DataError: naming ``settings``, if the rows do not tell.
    """
    long = [each for each in labels if len(each.values) > _BOX]
    rows = [each.values for each in long if len(each.values) == _FIVE_POINTS]
    if not rows or len(rows) < len(long):
        return False
    as_points = np.mean([_fits_points(row) for row in rows]) >= _NEARLY_ALL
    as_polygon = np.mean([_fits_polygon(row) for row in rows]) >= _NEARLY_ALL
    if as_points == as_polygon:
        raise DataError(
            f"{settings}: rows such as {long[0].place} may be polygons of seven points, or boxes "
            "with five points; expected kpt_shape: [5, 2] in the settings for the latter, or the "
            "polygons with their first point again at their end"
        )
    return bool(as_points)


def _label(line: str, place: str, has_points: bool) -> Label:
    words = line.split()
    try:
        first, *values = map(float, words)
        is_class = first.is_integer()
    except (ValueError, OverflowError):
        first, values, is_class = 0.0, [], False
    count = len(values)
    is_box = count in (_BOX, _FIVE_MARKED_POINTS) or (has_points and count >= _BOX)
    is_polygon = count >= 6 and count % 2 == 0
    if not is_class or not (is_box or is_polygon) or not np.abs(values).max() <= _FAR:
        scored = "; five numbers are a box with its score, as detections have" if count == 5 else ""
        raise DataError(
            f"{place}: {excerpt(line.strip())} is no label, expected a class and x y width height, "
            f"or points, in shares of the image{scored}"
        )
    return Label(place, int(first), tuple(values))


def _fits_points(values: tuple[float, ...]) -> bool:
    """Return whether points lie in their box or near it, spread as eyes and mouth are; those that
    are not known are -1."""
    points_52: NDArray[np.float64] = np.reshape(values[_BOX:], (5, 2))
    known = points_52[(points_52 >= 0).all(axis=1)]
    centre, sides = np.array(values[:2]), np.array(values[2:_BOX])
    if not len(known):
        return True
    spread = (known.max(axis=0) - known.min(axis=0) >= _LEAST_SPREAD * sides).any()
    return bool(spread and (np.abs(known - centre) <= 0.75 * sides).all())


def _fits_polygon(values: tuple[float, ...]) -> bool:
    """Return whether the second point, where a box has its sides, is near the others."""
    points_72: NDArray[np.float64] = np.reshape(values, (7, 2))
    others = np.delete(points_72, 1, axis=0)
    low, high = others.min(axis=0), others.max(axis=0)
    extent = high - low
    inside = (points_72[1] >= low - extent) & (points_72[1] <= high + extent)
    return bool(inside.all() and min(values) >= 0)

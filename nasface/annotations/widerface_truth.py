"""The official ground truth of WIDER FACE as its evaluation uses it.

``wider_face_val.mat`` holds every annotated face, ``wider_{easy,medium,hard}_val.mat`` the indices
of those that a set asks for (Yang, Luo, Loy, Tang, CVPR 2016). The text file has the same faces in
the same order, without the three sets.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasface.annotations.matlab import read_matlab
from nasface.annotations.names import (
    ImageNames,
    check_image_name,
    excerpt,
    with_suffix,
)
from nasface.annotations.widerface import ATTRIBUTES, parse_wider_annotations
from nasface.errors import DataError
from nasface.io.files import read_text

SETS = ("easy", "medium", "hard")
"""The official sets, each of which contains the one before it."""


@dataclass(frozen=True, eq=False)
class WiderGroundTruth:
    """The M faces of an image, in official order.

    ``name`` is ``event/name.jpg``, also where a file leaves ``.jpg`` out. ``boxes_M4`` is float64
    ``x1 y1 x2 y2`` in pixels, of the width and height as written. ``attributes`` maps each of
    ``ATTRIBUTES`` to int64 (M,), ``sets`` the name of a set to bool (M,): whether a face is
    asked for.
    """

    name: str
    boxes_M4: NDArray[np.float64]
    attributes: Mapping[str, NDArray[np.int64]]
    sets: Mapping[str, NDArray[np.bool_]]


def read_ground_truth(folder: Path) -> list[WiderGroundTruth]:
    """Read ``wider_face_val.mat`` and the ``.mat`` files of the three sets.

    An image without a face has M = 0 (officially a row of zeros).

    Raises:
        DataError: naming the file, if one is missing, is no MATLAB file or does not fit the others.
    """
    every = _Annotations(folder / "wider_face_val.mat")
    listed = {name: _Annotations(folder / f"wider_{name}_val.mat") for name in SETS}
    images = []
    for event in range(len(every.events)):
        names = every.files(event)
        for each in listed.values():
            if each.files(event) != names:
                raise DataError(
                    f"{each.path}: event {every.events[event]!r} has other images than in "
                    f"{every.path.name}"
                )
        for at, name in enumerate(names):
            full = with_suffix(f"{every.events[event]}/{name}")
            check_image_name(full, str(every.path))
            boxes = every.image("face_bbx_list", event, at, 4)
            sets = {}
            for key, each in listed.items():
                wanted = np.zeros(len(boxes), np.bool_)
                index = each.integers("gt_list", event, at) - 1
                if np.any((index < 0) | (index >= len(boxes))):
                    raise DataError(
                        f"{each.path}: {name!r} asks for a face that {every.path.name} lacks; "
                        f"expected indices 1 to {len(boxes)}"
                    )
                wanted[index] = True
                sets[key] = wanted
            attributes = {key: every.integers(f"{key}_label_list", event, at) for key in ATTRIBUTES}
            if any(len(each) != len(boxes) for each in attributes.values()):
                raise DataError(
                    f"{every.path}: {name!r} has {len(boxes)} boxes, and not as many labels"
                )
            images.append(_without_zeros(full, boxes, attributes, sets))
    return images


def read_text_truth(path: Path) -> list[WiderGroundTruth]:
    """Read an annotation file in text form; its one set, ``valid``, is the faces not ``invalid``.

    Raises:
        DataError: naming file and line.
    """
    entries = parse_wider_annotations(read_text(path, DataError, "annotations"), str(path))
    if not entries:
        raise DataError(f"{path}: is empty, expected at least one image name")
    images = []
    for name, rows in entries:
        attributes = {key: rows[:, 4 + at] for at, key in enumerate(ATTRIBUTES)}
        valid = (attributes["invalid"] == 0) & (rows[:, 2:4] > 0).all(axis=1)
        images.append(WiderGroundTruth(name, _corners(rows[:, :4]), attributes, {"valid": valid}))
    return images


def select_images(images: Sequence[WiderGroundTruth], listing: Path) -> list[WiderGroundTruth]:
    """Return the images that a text file lists, in their own order.

    The file has an ``event/name.jpg`` or ``event/name`` a line, or is an annotation file in WIDER
    FACE's text form.

    Raises:
        DataError: if the file cannot be read, names none of the images or an unknown one, or leaves
            out the suffix where two images differ in nothing else.
    """
    lines = [line.strip() for line in read_text(listing, DataError, "names of images").split("\n")]
    written = {
        line: at for at, line in enumerate(lines, 1) if line and not _NUMBERS.fullmatch(line)
    }
    names = {image.name for image in images}
    # Names without their suffix are looked up only where there are any.
    short = [line for line in written if line not in names]
    by_stem = ImageNames(names) if short else None
    listed = set(written) & names
    for line in short:
        name = by_stem.find(line) if by_stem else None
        if name is None:
            raise DataError(
                f"{listing}:{written[line]}: image {excerpt(line)} is not in the ground truth; "
                "expected lines such as 'event/name.jpg'"
            )
        listed.add(name)
    if not listed:
        raise DataError(f"{listing}: lists no image; expected lines such as 'event/name.jpg'")
    return [image for image in images if image.name in listed]


_NUMBERS = re.compile(r"-?[0-9]+(?:\s+-?[0-9]+)*")
_FAR = 1e9


class _Annotations:
    """One of the official ``.mat`` files: nested cell arrays, event by event."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.content = read_matlab(path.read_bytes())
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror or error}); expected the official "
                f"ground truth: wider_face_val.mat and wider_{{easy,medium,hard}}_val.mat"
            ) from None
        except ValueError as error:
            raise DataError(
                f"{path}: is no MATLAB file that can be read ({str(error)!a:.200})"
            ) from None
        self.events = self._names(self._cells("event_list"))

    def files(self, event: int) -> list[str]:
        """Return the names of the images of an event, without a suffix."""
        return self._names(self._cells("file_list", event))

    def image(self, key: str, event: int, at: int, columns: int) -> NDArray[np.float64]:
        """Return an array (M, columns) of one image, finite."""
        try:
            values = np.asarray(self._cells(key, event)[at], np.float64).reshape(-1, columns)
            if (np.abs(values) < _FAR).all():
                return values
        except (IndexError, ValueError, TypeError):
            pass
        raise DataError(
            f"{self.path}: {key} of image {at + 1} of event {self.events[event]!r} is no array "
            f"of {columns} columns of numbers"
        )

    def integers(self, key: str, event: int, at: int) -> NDArray[np.int64]:
        """Return an array (M,) of one image."""
        return self.image(key, event, at, 1)[:, 0].astype(np.int64)

    def _cells(self, key: str, event: int | None = None) -> list[Any]:
        """Return the elements of a cell array, or of the cell array that an event has in it."""
        cells = self.content.get(key)
        if event is not None and isinstance(cells, list) and event < len(cells):
            cells = cells[event]
        if not isinstance(cells, list):
            raise DataError(f"{self.path}: has no cell array {key!r} of the official form")
        return cells

    def _names(self, cells: list[Any]) -> list[str]:
        # In the official files a name is text in a cell of its own, or in one more.
        names = [each[0] if isinstance(each, list) and len(each) == 1 else each for each in cells]
        if not all(isinstance(name, str) for name in names):
            raise DataError(f"{self.path}: has something other than text for a name")
        return names


def _without_zeros(
    name: str,
    boxes: NDArray[np.float64],
    attributes: Mapping[str, NDArray[np.int64]],
    sets: Mapping[str, NDArray[np.bool_]],
) -> WiderGroundTruth:
    """Drop the row of zeros that stands for "no face"."""
    if len(boxes) == 1 and not boxes.any():
        empty = slice(0)
        return WiderGroundTruth(
            name,
            boxes[empty],
            {key: each[empty] for key, each in attributes.items()},
            {key: each[empty] for key, each in sets.items()},
        )
    return WiderGroundTruth(name, _corners(boxes), attributes, sets)


def _corners(boxes_M4: NDArray[Any]) -> NDArray[np.float64]:
    """Return the boxes ``x y w h`` as ``x1 y1 x2 y2``."""
    corners = boxes_M4[:, :2]
    return np.concatenate([corners, corners + boxes_M4[:, 2:]], axis=1).astype(np.float64)

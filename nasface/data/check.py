"""Checks of an annotated data set, before a training or a figure depends on it.

Boxes are compared with the pictures: with their size, and with the way in which EXIF turns them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nasface.annotations.records import ImageRecord
from nasface.arrays import Float32
from nasface.data.decoded import DECODES_ANEW, DecodedImages
from nasface.data.inspection import ImageFacts, inspect_images
from nasface.progress import Progress

BadImages = Literal["stop", "skip"]
"""What to do about images that cannot be read."""

CHECKED_HEIGHTS = (10, 20, 50, 300)
"""Face heights in pixels between which faces are counted."""

PER_IMAGE = (1, 2, 6, 11, 21, 51, 101)
"""Numbers of faces between which images are counted."""


_WAYS = ("ignore", "apply")
_USUAL = "x y w h"
_SHOWN = 5
_ENOUGH = 5
_TOLERANCE = 2.0
_FEW, _MOST, _NEARLY_ALL = 0.01, 0.95, 0.99


def _sides(boxes_M4: Float32) -> Float32:
    return boxes_M4[:, 2:] - boxes_M4[:, :2]


_FORMS: dict[str, Callable[[Float32], Float32]] = {
    _USUAL: lambda boxes: boxes,
    "x1 y1 x2 y2": lambda boxes: np.concatenate([boxes[:, :2], _sides(boxes)], 1),
    "centre x, centre y, w h": lambda boxes: np.concatenate(
        [boxes[:, :2] - _sides(boxes) / 2, boxes[:, :2] + _sides(boxes) / 2], 1
    ),
    "y x h w": lambda boxes: boxes[:, [1, 0, 3, 2]],
}
"""What a row of four numbers may mean -> the boxes x1 y1 x2 y2, from those by the usual meaning."""


@dataclass(frozen=True)
class Finding:
    """Something worth saying about a data set.

    ``images`` are the first that it is about; ``more`` says whether there are others.
    """

    kind: str
    is_problem: bool
    count: int
    text: str
    images: tuple[str, ...] = ()
    more: bool = False

    def __str__(self) -> str:
        more = ", ..." if self.more else ""
        names = f" ({', '.join(self.images)}{more})" if self.images else ""
        return f"{self.text}{names}"

    def figures(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return {
            "kind": self.kind,
            "problem": self.is_problem,
            "count": self.count,
            "text": self.text,
            "images": list(self.images),
        }


@dataclass(frozen=True)
class DataCheck:
    """A checked part of a data set: what the images are like, and what was found."""

    records: Sequence[ImageRecord]
    facts: Sequence[ImageFacts]
    findings: list[Finding] = field(default_factory=list)

    @property
    def unreadable(self) -> list[tuple[ImageRecord, str]]:
        """The images that cannot be read, with the reason."""
        pairs = zip(self.records, self.facts, strict=True)
        return [(record, facts.problem) for record, facts in pairs if facts.problem is not None]

    @property
    def readable(self) -> list[ImageRecord]:
        """The images that can be read."""
        pairs = zip(self.records, self.facts, strict=True)
        return [record for record, facts in pairs if facts.problem is None]

    @property
    def left_out(self) -> list[str]:
        """The names of the images that cannot be read."""
        return [record.name for record, _ in self.unreadable]

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """(height, width) of the images that can be read, as they are read."""
        sizes = {
            record.name: facts.size_as(record.exif)
            for record, facts in zip(self.records, self.facts, strict=True)
        }
        return {name: size for name, size in sizes.items() if size is not None}

    def figures(self) -> dict[str, Any]:
        """Return the counts and findings as plain values."""
        heights = np.concatenate(
            [np.empty(0), *((each.boxes_M4[:, 3] - each.boxes_M4[:, 1]) for each in self.records)]
        )
        valid = np.concatenate([np.empty(0, bool), *(each.valid_M for each in self.records)])
        counts = np.array([each.valid_M.sum() for each in self.records])
        return {
            "images": len(self.records),
            "faces": len(valid),
            "valid_faces": int(valid.sum()),
            "valid_faces_by_height": _banded(heights[valid], CHECKED_HEIGHTS, " px"),
            "images_by_valid_faces": _banded(counts, PER_IMAGE, ""),
            "findings": [each.figures() for each in self.findings],
        }


def check_records(
    records: Sequence[ImageRecord],
    progress: Progress,
    *,
    thorough: bool = False,
    has_boxes: bool = True,
    decoded: DecodedImages = DECODES_ANEW,
) -> DataCheck:
    """Read every image and compare it with its boxes.

    ``thorough`` also looks for pictures whose data end early although their file does not, for
    files that hold several, and for files that are the same. Without ``has_boxes`` the faces are
    not known as boxes. Images that are kept ``decoded`` have been read before.
    """
    facts = inspect_images(records, thorough, progress, decoded)
    found = [
        *_unreadable(records, facts),
        *_cut(records, facts),
        *_several(records, facts),
        *_turned(records, facts),
        *_resized(records, facts),
        *(_boxes(records, facts) if has_boxes else ()),
        *(_repeated(records, facts) if has_boxes else ()),
    ]
    return DataCheck(records, facts, found)


def find_duplicates(checks: dict[str, DataCheck]) -> list[Finding]:
    """Return the images of one content, in one part of a data set or in two, after a thorough
    look."""
    places: dict[str, list[tuple[str, str]]] = {}
    for part, check in checks.items():
        for record, facts in zip(check.records, check.facts, strict=True):
            if facts.digest:
                places.setdefault(facts.digest, []).append((part, record.name))
    groups = [group for group in places.values() if len(group) > 1]
    shared = [group for group in groups if len({part for part, _ in group}) > 1]
    within = [group for group in groups if len({part for part, _ in group}) == 1]
    found = []
    for kind, chosen, text in (
        ("shared", shared, "in several parts, so what is scored was trained on"),
        ("duplicates", within, "several times, under different names"),
    ):
        names = [" = ".join(name for _, name in group) for group in chosen]
        found += _found(kind, True, names, f"{text}: {_number(len(chosen), 'image')}")
    return found


def _unreadable(records: Sequence[ImageRecord], facts: Sequence[ImageFacts]) -> list[Finding]:
    bad = [each.problem for each in facts if each.problem is not None]
    return _found("unreadable", True, bad, f"cannot be read: {len(bad)} of {len(records)} images")


def _cut(records: Sequence[ImageRecord], facts: Sequence[ImageFacts]) -> list[Finding]:
    cut = [record.name for record, each in zip(records, facts, strict=True) if not each.is_whole]
    text = f"data end early, the rest of the picture is grey: {_number(len(cut), 'image')}"
    return _found("cut", True, cut, text)


def _several(records: Sequence[ImageRecord], facts: Sequence[ImageFacts]) -> list[Finding]:
    """Return the animations and files of several pages, whose boxes may be those of any picture in
    them."""
    several = [
        f"{record.name}: {each.pictures}"
        for record, each in zip(records, facts, strict=True)
        if each.pictures > 1
    ]
    text = f"hold several pictures, of which the first is read: {_number(len(several), 'file')}"
    return _found("several", False, several, text)


def _turned(records: Sequence[ImageRecord], facts: Sequence[ImageFacts]) -> list[Finding]:
    """Return the images that EXIF turns, and which of the two ways of reading them their boxes
    fit."""
    turned = [
        (record, each)
        for record, each in zip(records, facts, strict=True)
        if each.size is not None and each.orientation != 1
    ]
    if not turned:
        return []
    fits = {way: [_fits(record, each, way) for record, each in turned] for way in _WAYS}
    only = {
        way: sum(a and not b for a, b in zip(fits[way], fits[other], strict=True))
        for way, other in (_WAYS, _WAYS[::-1])
    }
    read = turned[0][0].exif
    other = _WAYS[_WAYS.index(read) - 1]
    stored, shown = only["ignore"], only["apply"]
    text = (
        f"turned by EXIF: {_number(len(turned), 'image')}, read by --exif {read}; boxes that fit "
        f"only the picture as stored (ignore): {stored}, only as shown (apply): {shown}"
    )
    if not stored and not shown:
        text += ", so their sizes do not tell which is right"
    elif only[other]:
        text += "; they do not agree" if only[read] else f"; try --exif {other}"
    return _found("turned", only[other] > 0, [record.name for record, _ in turned], text)


def _resized(records: Sequence[ImageRecord], facts: Sequence[ImageFacts]) -> list[Finding]:
    """Return the images of another size than their annotations state; shares fit any size."""
    other = [
        f"{record.name}: {each.size[1]} x {each.size[0]}, stated "
        f"{record.stated_size[1]} x {record.stated_size[0]}"
        for record, each in zip(records, facts, strict=True)
        if each.size is not None
        and record.stated_size is not None
        and record.shares_of is None
        and record.stated_size not in map(each.size_as, _WAYS)
    ]
    text = f"of another size than the annotations state: {_number(len(other), 'image')}"
    return _found("resized", True, other, text)


def _boxes(records: Sequence[ImageRecord], facts: Sequence[ImageFacts]) -> list[Finding]:
    """Return the faces that cannot be where their boxes are."""
    beyond: list[str] = []
    empty: list[str] = []
    faces, forms = 0, dict.fromkeys(_FORMS, 0)
    for record, each in zip(records, facts, strict=True):
        size = each.size_as(record.exif)
        has_area = (_sides(record.boxes_M4) > 0).all(axis=1)
        empty += [record.name] * int((~has_area).sum())
        if size is not None:
            boxes = record.boxes_M4[has_area]
            beyond += [record.name] * int((~_inside(boxes, size)).sum())
            if each.orientation < 5:
                faces += len(boxes)
                for form, read in _FORMS.items():
                    forms[form] += int(_inside(read(boxes), size).sum())
    text = f"beyond the border of the image: {_number(len(beyond), 'face')}"
    found = _found("beyond", True, beyond, text)
    text = f"no width or no height: {_number(len(empty), 'face')}, left out in training and scoring"
    found += _found("empty", len(empty) > _FEW * max(faces, 1), empty, text)
    if not any(record.valid_M.any() for record in records):
        found.append(Finding("no faces", True, 1, "no valid face in any image"))
    pixels = np.concatenate([np.empty(0), *(each.boxes_M4.ravel() for each in records)])
    is_pixels = all(record.shares_of is None for record in records)
    if is_pixels and pixels.any() and pixels.min() >= -1 and pixels.max() <= 2:
        text = "rows look like shares of the image, 0 to 1, in place of pixels"
        found.append(Finding("form", True, len(pixels) // 4, text))
    usual = forms.pop(_USUAL)
    likely = max(forms, key=lambda form: forms[form])
    if faces >= _ENOUGH and usual < _MOST * faces and forms[likely] >= _NEARLY_ALL * faces:
        text = (
            f"rows look like '{likely}' in place of 'x y w h': read so, {forms[likely]} of {faces} "
            f"boxes are inside their images, otherwise {usual}"
        )
        found.append(Finding("form", True, faces, text))
    return found


def _repeated(records: Sequence[ImageRecord], _: Sequence[ImageFacts]) -> list[Finding]:
    repeated = [
        record.name
        for record in records
        for _ in range(len(record.boxes_M4) - len(np.unique(record.boxes_M4, axis=0)))
    ]
    text = f"several times in one image: {_number(len(repeated), 'box', 'boxes')}"
    return _found("repeated", False, repeated, text)


def _found(kind: str, is_problem: bool, names: Sequence[str], text: str) -> list[Finding]:
    """Return the finding about images, each of which is there once for every time; none without
    any."""
    if not names:
        return []
    images = tuple(dict.fromkeys(names))
    return [Finding(kind, is_problem, len(names), text, images[:_SHOWN], len(images) > _SHOWN)]


def _number(count: int, one: str, several: str | None = None) -> str:
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def _inside(boxes_M4: Float32, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return whether boxes have an area and lie inside an image of (height, width), bool (M,)."""
    limits = np.array([size[1], size[0]]) + _TOLERANCE
    low, high = boxes_M4[:, :2], boxes_M4[:, 2:]
    inside = (low >= -_TOLERANCE) & (high <= limits) & (high > low)
    return np.asarray(inside.all(axis=1))


def _fits(record: ImageRecord, facts: ImageFacts, way: str) -> bool:
    """Return whether an image read in a way has the size that its annotations state, else whether
    its boxes are inside."""
    size, stated = facts.size_as(way), record.stated_size
    if stated is not None and stated != stated[::-1] and stated in map(facts.size_as, _WAYS):
        return stated == size
    boxes = record.boxes_M4[(_sides(record.boxes_M4) > 0).all(axis=1)]
    is_share = record.shares_of is not None
    return size is not None and (is_share or bool(_inside(boxes, size).all()))


def _banded(values: NDArray[np.number], limits: Sequence[int], unit: str) -> dict[str, int]:
    """Return how many whole numbers lie between neighbouring limits; a band has its lower end."""
    names = []
    for start, end in zip((0, *limits[:-1]), limits, strict=True):
        names.append(f"{start}{unit}" if end == start + 1 else f"{start} to {end - 1}{unit}")
    names.append(f"{limits[-1]}{unit} and more")
    places = np.searchsorted(limits, values, side="right")
    return dict(zip(names, np.bincount(places, minlength=len(names)).tolist(), strict=True))

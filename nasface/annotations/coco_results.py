"""Detections in COCO's form of results: a list of ``{image_id, category_id, bbox, score}`` as JSON.

It is what ``loadRes`` of pycocotools takes. Boxes are ``x y width height`` in pixels. Images are
named by their ids in the annotations, or by their names where the annotations have another form.
Files that name their images themselves, as annotations do, are taken as well: `nasface detect`
writes one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from nasface.annotations.classes import faces_among
from nasface.annotations.coco import as_key, box_of, is_key, load_json
from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.names import ImageNames, excerpt, without_suffix
from nasface.annotations.records import CocoKeys
from nasface.errors import DataError

_FORM = "detections in COCO's form, a list of {image_id, bbox, score}"


def is_coco_results(path: Path) -> bool:
    """Return whether a path is that of a ``.json`` file."""
    return path.suffix.lower() == ".json" and path.is_file()


def read_coco_results(
    path: Path, names: Iterable[str], keys: Mapping[str, CocoKeys]
) -> dict[str, ScoredBoxes]:
    """Read the detections of images from a file in COCO's form of results.

    ``names`` are those of the images; ``keys`` map those of a data set in COCO's form to their ids
    and categories. Detections of other categories are left out.

    Returns image -> boxes ``x1 y1 x2 y2`` in pixels and scores, float64, in the order of the file;
    what belongs to no image is there under its id.

    Raises:
        DataError: naming the file and the entry, if something is malformed, if no detection is of
            an image or of a face, or if it is not known which categories are faces.
    """
    content = load_json(path, _FORM)
    rows, own_names, faces = _parts(content, path)
    if faces is None and keys:
        faces = frozenset[int | str]().union(*(each.faces for each in keys.values()))
    kept = _of_faces(
        [_row(each, f"{path}: entry {at}") for at, each in enumerate(rows)], faces, path
    )
    by_image: dict[int | str, list[list[float]]] = {}
    for each in kept:
        by_image.setdefault(each.image, []).append(each.values)
    images = _Images(names, {} if own_names else keys)
    found: dict[str, ScoredBoxes] = {}
    unknown = None
    for image, values in by_image.items():
        written = own_names.get(image, image)
        name = images.find(written)
        if name in found:
            raise DataError(f"{path}: image {name!r} occurs under two ids, expected each once")
        if name is None and unknown is None:
            unknown = written
        key = str(written) if name is None else name
        found[key] = ScoredBoxes.of_rows(np.array(values, np.float64))
    if unknown is not None and not any(name in images for name in found):
        raise DataError(
            f"{path}: has detections of no image that is evaluated on: {excerpt(str(unknown))} is "
            f"none, expected {images.expected}"
        )
    return found


@dataclass(frozen=True)
class _Row:
    image: int | str
    category: int | str | None
    values: list[float]


def _parts(
    content: Any, path: Path
) -> tuple[list[Any], Mapping[int | str, str], frozenset[int | str] | None]:
    """Return the entries of a file, the names and the categories of faces that it has itself."""
    if isinstance(content, list):
        return content, {}, None
    maps = content if isinstance(content, dict) else {}
    rows, images, categories = (maps.get(key) for key in ("annotations", "images", "categories"))
    if not isinstance(rows, list) or not isinstance(images, list):
        raise DataError(f"{path}: expected {_FORM}")
    named = _map(images, "file_name", f"{path}: images")
    if not isinstance(categories, list):
        return rows, named, None
    kinds = _map(categories, "name", f"{path}: categories")
    return rows, named, frozenset(faces_among(kinds, (), str(path)))


def _map(entries: Sequence[Any], value: str, place: str) -> dict[int | str, str]:
    found = {}
    for each in entries:
        if not isinstance(each, dict) or not is_key(as_key(each.get("id"))):
            raise DataError(f"{place}: {each!a:.60} has no id; expected a map with id and {value}")
        if not isinstance(each.get(value), str):
            raise DataError(f"{place}: {each!a:.60} has no {value}; expected a text")
        found[as_key(each["id"])] = each[value]
    return found


def _row(entry: Any, place: str) -> _Row:
    if not isinstance(entry, dict) or not is_key(as_key(entry.get("image_id"))):
        is_list = isinstance(entry, dict) and "boxes" in entry
        hint = ", as nasface detect writes into coco.json" if is_list else ""
        raise DataError(f"{place}: {entry!a:.60} has no image_id; expected {_FORM}{hint}")
    score, category = entry.get("score"), as_key(entry.get("category_id"))
    if not isinstance(score, int | float) or isinstance(score, bool) or not math.isfinite(score):
        raise DataError(f"{place}: score is {score!a:.60}, expected a number")
    if category is not None and not is_key(category):
        raise DataError(f"{place}: category_id is {category!a:.60}, expected a number or text")
    return _Row(as_key(entry["image_id"]), category, [*box_of(entry, place), float(score)])


def _of_faces(rows: Sequence[_Row], faces: frozenset[int | str] | None, path: Path) -> list[_Row]:
    kinds = sorted({each.category for each in rows if each.category is not None}, key=str)
    listed = ", ".join(f"{kind!a:.20}" for kind in kinds[:6])
    if faces is None:
        if len(kinds) > 1:
            raise DataError(
                f"{path}: has detections of categories {listed}, and the data do not say which are "
                "faces; expected detections of faces only"
            )
        return list(rows)
    kept = [each for each in rows if each.category is None or each.category in faces]
    if rows and not kept:
        wanted = ", ".join(f"{kind!a:.20}" for kind in sorted(faces, key=str)[:6])
        raise DataError(
            f"{path}: has detections of category {listed} only; faces are of {wanted} in the data"
        )
    return kept


class _Images:
    """The images of a data set, to be found by the ids of its file, or else by their names."""

    def __init__(self, names: Iterable[str], keys: Mapping[str, CocoKeys]) -> None:
        self._names = frozenset(names)
        self._by_id = {key.image: name for name, key in keys.items() if name in self._names}
        self._by_name: ImageNames | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._names

    @property
    def expected(self) -> str:
        """What a file of results may call an image, in words."""
        if self._by_id:
            return f"ids of the annotations such as {next(iter(self._by_id))!r}"
        return f"names such as {min(self._names, default='event/name.jpg')!r}"

    def find(self, written: int | str) -> str | None:
        """Return the image of an id or a name, as of :class:`ImageNames`; a name that is a number
        may stand as one where images have no ids."""
        if written in self._by_id:
            return self._by_id[written]
        if isinstance(written, str) and written.isdecimal() and int(written) in self._by_id:
            return self._by_id[int(written)]
        if written in self._names:
            return str(written)
        if self._by_id and not isinstance(written, str):
            return None
        if self._by_name is None:
            self._by_name = ImageNames([*self._names])
            self._numbered = _numbered(self._names)
        if isinstance(written, str):
            return self._by_name.find(written)
        return self._numbered.get(written)


def _numbered(names: Iterable[str]) -> dict[int, str]:
    """Return the images whose name is a number, such as 000000000139.jpg, by it; none that two
    share."""
    found: dict[int, str] = {}
    twice = set()
    for name in names:
        stem = PurePosixPath(without_suffix(name)).name
        if stem.isascii() and stem.isdecimal():
            twice |= {int(stem)} & found.keys()
            found[int(stem)] = name
    return {number: name for number, name in found.items() if number not in twice}

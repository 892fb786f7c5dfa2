"""Data sets in the JSON form of COCO (cocodataset.org): images, annotations, categories.

It is also what CVAT, Label Studio, Roboflow and FiftyOne export, each with its own folders and
categories. Boxes are ``x y width height`` there; an annotation without one has the least box round
its polygons.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nasface.annotations.classes import faces_among, split_names
from nasface.annotations.layout import (
    LARGEST_ANNOTATIONS,
    files_of,
    find_images,
    only_file,
    place_below,
    plain_names,
    split_of,
    splits_of,
)
from nasface.annotations.names import check_image_name, excerpt
from nasface.annotations.records import CocoKeys, ImageRecord, says_yes, stated_size
from nasface.annotations.tool_forms import hint_of_tool
from nasface.annotations.turned_boxes import TURNED_BOX, angle_of, box_round_turned
from nasface.annotations.widerface import ATTRIBUTES
from nasface.errors import DataError
from nasface.io.files import read_text

FLAGS = ("iscrowd", "ignore")
"""Numbers beside a box; where one is not 0, the box is neither to be found nor a mistake."""

OTHERS = (*ATTRIBUTES, "difficult", "occluded", "truncated")
"""Further numbers that are read, beside a box or in its ``attributes``, where CVAT has them."""

_CROWD = ("is_crowd", "isCrowd", "isGroupOf")
"""Other words for ``iscrowd``."""

_KEYS = {"images": ("id",), "categories": ("id",), "annotations": ("image_id", "category_id")}
"""List of a file -> what names its entries, and those of other lists."""
_FAR = 1e9
_MODES = (1, "XYWH_ABS", "BoxMode.XYWH_ABS")
_START = 1 << 16


def is_coco(root: Path) -> bool:
    """Return whether a path is a ``.json`` file, or a folder where one of COCO's names lies."""
    if root.is_file():
        return root.suffix.lower() == ".json"
    return bool(coco_splits(root)) or _whole_file(root) is not None


def coco_splits(root: Path) -> tuple[str, ...]:
    """Return the parts that a folder has files of; none where all is in one file."""
    return splits_of(root, lambda top, split: _file_of(top, split) is not None)


def read_coco(
    root: Path, split: str, classes: Sequence[str] = (), *, need_images: bool = True
) -> list[ImageRecord]:
    """Read a ``.json`` file, whatever ``split`` says, or that of a split in a folder.

    Attributes of a face are :data:`FLAGS`, and those of :data:`OTHERS` that occur.

    Raises:
        DataError: naming the file and the entry.
    """
    path = _annotations_of(root, split)
    content = _parse(path)
    categories = _categories(content, path)
    if not classes:
        categories = _without_parents(content, categories)
    faces = faces_among(categories, classes, str(path))
    names = _image_names(content, path)
    sizes = {
        each["id"]: stated_size(each.get("height"), each.get("width")) for each in content["images"]
    }
    faces_of = _faces_by_image(content["annotations"], names, categories, faces, path)
    tops = list(dict.fromkeys((path.parent, root if root.is_dir() else path.parent.parent)))
    places = find_images(path, tops, split, list(names.values()), need_images)
    return [
        replace(
            _record(name, places[name], faces_of[image], CocoKeys(image, frozenset(faces))),
            stated_size=sizes[image],
        )
        for image, name in names.items()
    ]


def _annotations_of(root: Path, split: str) -> Path:
    """Return the file itself, that of the split in a folder, or that of a folder without splits."""
    path = root if root.is_file() else _file_of(root, split)
    if path is None:
        path = _whole_file(root)
        if path is None or coco_splits(root):
            tried = ", ".join(_places(split)[:3])
            raise DataError(f"{root}: has no annotations of split {split!r}; expected {tried}")
    return path


def _categories(content: dict[str, Any], path: Path) -> dict[Any, str]:
    """Return id -> name of the categories; annotations then have ids as the list has them."""
    found: dict[Any, str] = {}
    for each in content["categories"]:
        key = _key(each, "id", path)
        if key in found:
            raise DataError(f"{path}: category {key!a:.60} occurs twice, expected each once")
        found[key] = str(each.get("name"))
    _match_keys(content["annotations"], "category_id", found)
    return found


def _image_names(content: dict[str, Any], path: Path) -> dict[Any, str]:
    """Return id -> name of the images; annotations then have ids as the list has them."""
    found: dict[Any, str] = {}
    seen: set[str] = set()
    plain = plain_names(_written_names(content, path), path.parent, str(path))
    for each in content["images"]:
        name = plain[each["file_name"]]
        check_image_name(name, str(path))
        if _key(each, "id", path) in found or name in seen:
            raise DataError(f"{path}: image {excerpt(name)} occurs twice, expected each once")
        found[each["id"]] = name
        seen.add(name)
    if not found:
        raise DataError(f"{path}: names no image")
    _match_keys(content["annotations"], "image_id", found)
    return found


def _faces_by_image(
    annotations: Sequence[dict[str, Any]],
    names: Mapping[Any, str],
    categories: Mapping[Any, str],
    faces: Collection[Any],
    path: Path,
) -> dict[Any, list[dict[str, Any]]]:
    """Return id of an image -> annotations of its faces, each with a ``bbox``."""
    found: dict[Any, list[dict[str, Any]]] = {image: [] for image in names}
    for at, each in enumerate(annotations):
        image = each.get("image_id")
        if not is_key(image) or image not in names:
            raise DataError(
                f"{path}: annotation {at} is of image {image!a:.60}, which is not listed"
            )
        kind = each.get("category_id")
        if not is_key(kind) or kind not in categories:
            raise DataError(
                f"{path}: annotation {at} is of category {kind!a:.60}, which is not listed"
            )
        if kind in faces:
            found[image].append({**each, "bbox": box_of(each, f"{path}: annotation {at}")})
    return found


def _written_names(content: dict[str, Any], path: Path) -> Iterator[str]:
    """Yield the names of the images as the file has them."""
    for each in content["images"]:
        name = each.get("file_name")
        if not isinstance(name, str):
            raise DataError(f"{path}: image {each.get('id')!r} has no file_name")
        yield name


def _without_parents(content: Mapping[str, Any], category: dict[Any, str]) -> dict[Any, str]:
    """Return the categories without those that only stand above others, such as Roboflow's number
    0."""
    used = {str(each.get("category_id")) for each in content["annotations"]}
    above = {str(each.get("supercategory")) for each in content["categories"]}
    return {key: name for key, name in category.items() if name not in above or str(key) in used}


def _record(
    name: str, path: Path, faces: Sequence[Mapping[str, Any]], keys: CocoKeys
) -> ImageRecord:
    boxes_M4 = np.array([each["bbox"] for each in faces], np.float64).reshape(-1, 4)
    boxes_M4[:, 2:] = boxes_M4[:, :2] + boxes_M4[:, 2:].clip(0)
    angles = [angle_of(_attributes(face).get("rotation")) for face in faces]
    for box, angle in zip(boxes_M4, angles, strict=True):
        box[:] = box_round_turned(box.tolist(), angle)
    told = [_told_of(each) for each in faces]
    attributes = {flag: np.array([each.get(flag, 0) for each in told], np.int64) for flag in FLAGS}
    for key in OTHERS:
        if any(key in each for each in told):
            attributes[key] = np.array([each.get(key, 0) for each in told], np.int64)
    if any(angles):
        attributes[TURNED_BOX] = np.array(angles, bool).astype(np.int64)
    return ImageRecord(name, path, boxes_M4.astype(np.float32), attributes, coco=keys)


def _attributes(face: Mapping[str, Any]) -> Mapping[str, Any]:
    more = face.get("attributes")
    return more if isinstance(more, dict) else {}


def _told_of(face: Mapping[str, Any]) -> dict[str, int]:
    """Return what an annotation says of a face, itself or in its ``attributes``."""
    told: dict[str, int] = {}
    for values in (face, _attributes(face)):
        for key in (*FLAGS, *OTHERS, *_CROWD):
            if key in values:
                name = "iscrowd" if key in _CROWD else key
                told[name] = told.get(name, 0) or _whole_number(values[key])
    return told


def _whole_number(value: Any) -> int:
    """Return whole numbers and flags as they are; other values count as 0 or, if there is any,
    1."""
    if isinstance(value, str):
        return says_yes(value)
    return int(value if isinstance(value, int) and abs(value) < _FAR else bool(value))


def _file_of(root: Path, split: str) -> Path | None:
    """Return the annotations of a split: of a usual name, or else the only ones whose name tells
    it."""
    usual = _first(root, (place for word in split_names(split) for place in _places(word)))
    if usual is not None:
        return usual
    others = [*files_of(root, ".json"), *files_of(_annotations_folder(root), ".json")]
    named = [path for path in others if split_of(path) == split]
    return named[0] if len(others) > 1 and len(named) == 1 and _begins_like_coco(named[0]) else None


def _places(split: str) -> tuple[str, ...]:
    """Return where tools put the annotations of a split."""
    return (
        *(f"annotations/instances_{split}.json", f"annotations/{split}.json"),
        *(f"{split}/_annotations.coco.json", f"{split}.json"),
        *(f"{split}/labels.json", f"annotations/instances_{split}2017.json"),
    )


def _first(root: Path, places: Iterable[str]) -> Path | None:
    found = (place_below(root, place) for place in places)
    return next((path for path in found if path is not None and path.is_file()), None)


def _annotations_folder(root: Path) -> Path:
    return place_below(root, "annotations") or root / "annotations"


def _whole_file(root: Path) -> Path | None:
    """Return the annotations of a folder that has no splits."""
    usual = ("annotations/instances_default.json", "_annotations.coco.json")
    found = _first(root, (*usual, "result.json", "labels.json", "annotations.json"))
    found = found or only_file(root, ".json") or only_file(_annotations_folder(root), ".json")
    return found if found is not None and _begins_like_coco(found) else None


def _begins_like_coco(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(_START).replace(b"\0", b"")
    except OSError:
        return False
    is_map = start.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"{")
    return is_map and (b'"images"' in start or b'"annotations"' in start)


def load_json(path: Path, what: str) -> Any:
    """Return the content of a JSON file of annotations or detections.

    Raises:
        DataError: naming the file, and ``what`` is expected in it.
    """
    text = read_text(path, DataError, what, LARGEST_ANNOTATIONS)
    try:
        return json.loads(text, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON: {str(error)[:200]}") from None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"key {twice!a:.60} occurs twice in a map, expected each once")
    return found


def _parse(path: Path) -> dict[str, list[dict[str, Any]]]:
    content = load_json(path, "annotations")
    if isinstance(content, dict):
        content["categories"] = content.get("categories") or []
    for key in _KEYS:
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise DataError(
                f"{path}: has no list {key!r} of maps{hint_of_tool(path)}; expected the form of "
                "COCO"
            )
    found: dict[str, list[dict[str, Any]]] = content
    for key, names in _KEYS.items():
        for entry in found[key]:
            entry.update({name: as_key(entry[name]) for name in names if name in entry})
    _add_categories(found)
    return found


def _add_categories(content: dict[str, list[dict[str, Any]]]) -> None:
    """List the categories of the annotations, by their numbers, where a file lists none; where
    there is only one, its annotations may leave it out."""
    categories = content["categories"]
    if not categories:
        used = dict.fromkeys(each.get("category_id", 0) for each in content["annotations"])
        categories += [{"id": key, "name": str(key)} for key in used if is_key(key)]
    if len(categories) == 1:
        for each in content["annotations"]:
            each.setdefault("category_id", categories[0].get("id"))


def _key(entry: dict[str, Any], name: str, path: Path) -> Any:
    value = entry.get(name)
    if not is_key(value):
        raise DataError(f"{path}: {value!a:.60} is no {name}, expected a whole number or text")
    return value


def _match_keys(entries: Sequence[dict[str, Any]], name: str, known: Mapping[Any, Any]) -> None:
    """Write numbers of entries as their list has them, where one has texts and the other numbers.

    VGG's Image Annotator, for one, writes 1 in the list and "1" in an annotation.
    """
    forms = {str(key): key for key in known}
    for each in entries:
        value = each.get(name)
        if is_key(value) and value not in known and len(forms) == len(known):
            each[name] = forms.get(str(value), value)


def as_key(value: Any) -> Any:
    """Return a whole number that is written as 1.0, as tables have it, as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_key(value: object) -> bool:
    """Return whether a value may name an image or a category."""
    return isinstance(value, int | str)


def box_of(annotation: Mapping[str, Any], place: str) -> list[float]:
    """Return ``x y width height`` in pixels: the ``bbox``, or the box round the polygons.

    Raises:
        DataError: beginning with ``place``, if there is neither, and for another ``bbox_mode``, by
            which Detectron2 tells what the numbers are.
    """
    mode = annotation.get("bbox_mode", 1)
    if mode not in _MODES:
        raise DataError(f"{place}: bbox_mode is {mode!a:.60}, expected 1, x, y, width, height")
    value = annotation.get("bbox") or _bounds(annotation.get("segmentation"))
    if not _are_numbers(value) or len(value) != 4:
        raise DataError(f"{place}: bbox is {value!a:.60}, expected x, y, width, height")
    return [float(each) for each in value]


def _bounds(polygons: Any) -> Any:
    """Return the least box round polygons ``[[x, y, x, y, ...], ...]``; None without any."""
    if not isinstance(polygons, list) or not polygons or not all(map(_are_numbers, polygons)):
        return None
    x = [value for each in polygons for value in each[::2]]
    y = [value for each in polygons for value in each[1::2]]
    return [min(x), min(y), max(x) - min(x), max(y) - min(y)] if x and y else None


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) and abs(each) < _FAR
        for each in value
    )

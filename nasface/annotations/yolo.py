"""Data sets in the text form of YOLO: ``data.yaml`` (Ultralytics, Roboflow), ``classes.txt`` (Label
Studio, LabelImg) or ``obj.data`` (Darknet, CVAT), with ``images/`` and ``labels/``; without any of
these files, all labels are faces of class 0, in ``labels/`` or beside the images. Of images in one
folder, lists ``train.txt`` and ``val.txt`` tell the parts.

Labels are in shares of the image as it is shown (turned by its EXIF orientation).
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasface.annotations.classes import FACE, faces_among, split_names
from nasface.annotations.image_size import image_size, size_for_shares
from nasface.annotations.layout import place_below, write_below
from nasface.annotations.names import (
    LEAVE_OUT,
    check_image_name,
    excerpt,
    has_image_suffix,
    is_hidden,
)
from nasface.annotations.records import ImageRecord
from nasface.annotations.yolo_labels import (
    find_labels,
    label_files,
    read_labels,
    rows_have_points,
)
from nasface.annotations.yolo_settings import (
    ALL_IMAGES,
    SETTINGS_FILES,
    YoloSettings,
    existing_places,
    meant_places,
    parts_of_place,
    splits_in,
    yolo_file,
    yolo_settings,
)
from nasface.errors import DataError, did_you_mean
from nasface.io.files import files_below, read_text
from nasface.io.yaml import to_yaml


def is_yolo(root: Path) -> bool:
    """Return whether a path is a settings file with class names and a split, or a folder of one, or
    of images and labels without any."""
    try:
        values = yolo_settings(root).values
    except DataError:
        return False
    return "names" in values and bool(splits_in(values) or ALL_IMAGES in values)


def why_no_yolo(root: Path) -> str:
    """Return what keeps the settings file of a usual name in a folder, or that a path is, from
    being used; empty without any."""
    try:
        settings = yolo_settings(root)
    except DataError as problem:
        file = root if root.is_file() else yolo_file(root)
        is_usual = file is not None and file.name.lower() in SETTINGS_FILES
        return f"; {problem}" if is_usual else ""
    if settings.file == root and root.is_dir():
        return ""
    keys = [str(key) for key in settings.values]
    if "names" not in keys:
        return f"; {settings.file}: has no 'names' of classes{did_you_mean('names', keys)}"
    return f"; {settings.file}: has no train or val{did_you_mean('train', keys)}"


def yolo_assumes(_root: Path, _split: str, records: Sequence[ImageRecord]) -> str:
    """Return how many images have no file of labels, which counts as no face; empty without any."""
    lacking = len(records) - len(find_labels([record.path for record in records]))
    share = f"{lacking} of {len(records)} images have no file of labels"
    return f"{share}, and so no face" if lacking else ""


def yolo_splits(root: Path) -> tuple[str, ...]:
    """Return the parts that the settings name; none where there is one folder of images."""
    return splits_in(yolo_settings(root).values)


def read_yolo(
    root: Path, split: str, classes: Sequence[str] = (), *, need_images: bool = True
) -> list[ImageRecord]:
    """Read a split of the ``data.yaml`` (or the like) that ``root`` is or holds.

    An image without a label file has no face; not all may be without one. Images are read as they
    are shown; without ``need_images``, boxes of one that cannot be read are as of
    :func:`size_for_shares`.

    Raises:
        DataError: naming file and line.
    """
    settings = yolo_settings(root)
    file, values = settings.file, settings.values
    if "names" not in values:
        raise DataError(f"{file}: has no 'names' of classes")
    names = _classes(values["names"], file)
    faces = faces_among(names, classes, str(file))
    words = (*split_names(split), ALL_IMAGES)
    place = next((values[word] for word in words if values.get(word)), None)
    if place is None:
        near = did_you_mean(split, map(str, values))
        raise DataError(
            f"{file}: has no split {split!r}; expected a folder of images under it{near}"
        )
    places = place if isinstance(place, list) else [place]
    images: dict[str, Path] = {}
    for name, path in _images_of(settings, [str(each) for each in places], need_images):
        check_image_name(name, str(file))
        if name in images:
            raise DataError(f"{file}: image {name!r} occurs twice, expected each once")
        images[name] = path
    if not images:
        raise DataError(f"{file}: split {split!r} holds no image")
    has_points = "kpt_shape" in values
    files = find_labels(images.values())
    if not files:
        expected = next(label_files(next(iter(images.values()))))
        raise DataError(
            f"{file}: no image of split {split!r} has a file of labels; expected {expected} and "
            "the like, which may be empty"
        )
    labels = {
        name: read_labels(files[path], has_points) if path in files else []
        for name, path in images.items()
    }
    every = [label for each in labels.values() for label in each]
    strange = next((label for label in every if label.number not in names), None)
    if strange is not None:
        raise DataError(
            f"{strange.place}: class {strange.number} is not among those of {file}: "
            f"{', '.join(f'{number} {name}' for number, name in names.items())!a:.200}"
        )
    has_points = has_points or rows_have_points(every, file)
    return [
        _record(
            name,
            path,
            [each.corners(has_points) for each in labels[name] if each.number in faces],
            size_for_shares(path, "apply", need_images),
        )
        for name, path in images.items()
    ]


def write_yolo(root: Path, parts: Mapping[str, Sequence[ImageRecord]]) -> None:
    """Write ``data.yaml``, and the labels of each image where readers look for them."""
    for records in parts.values():
        for record in records:
            height, width = image_size(record.path, record.exif)
            shares_M4 = record.boxes_M4 / np.array([width, height, width, height], np.float64)
            sides_M2 = shares_M4[:, 2:] - shares_M4[:, :2]
            rows_M4 = np.concatenate([shares_M4[:, :2] + sides_M2 / 2, sides_M2], axis=1)
            lines = ["0 " + " ".join(f"{value:.10g}" for value in row) for row in rows_M4]
            path = next(label_files(record.path))
            write_below(path, "".join(line + "\n" for line in lines))
    content = {"path": ".", **{split: f"images/{split}" for split in parts}, "names": [FACE]}
    write_below(root / "data.yaml", to_yaml(content))


def _classes(names: Any, file: Path) -> dict[int, str]:
    found = dict(enumerate(names)) if isinstance(names, list) else names
    if isinstance(found, dict):
        pairs = {str(key): str(name) for key, name in found.items()}
        if all(key.isascii() and key.isdecimal() for key in pairs):
            return {int(key): name for key, name in pairs.items()}
    raise DataError(f"{file}: 'names' is no list of classes, and no map from their numbers")


def _images_of(
    settings: YoloSettings, places: Sequence[str], need_images: bool
) -> Iterator[tuple[str, Path]]:
    """Yield the name and path of the images of several places, each name with its place where two
    places have images of one name."""
    found = {place: list(_images(settings, place, need_images)) for place in places}
    paths: dict[str, set[Path]] = {}
    for name, path in itertools.chain.from_iterable(found.values()):
        paths.setdefault(name, set()).add(path)
    has_same = any(len(each) > 1 for each in paths.values())
    for place in places:
        above = [part for part in parts_of_place(place) if part != ".."] if has_same else []
        for name, path in found[place]:
            yield "/".join([*above, name]), path


def _images(settings: YoloSettings, place: str, need_images: bool) -> Iterator[tuple[str, Path]]:
    """Yield the name and path of the images of a folder, or of those that a text file lists."""
    exact = existing_places(settings.file, settings.base, place)
    alike = itertools.starmap(place_below, meant_places(settings.file, settings.base, place))
    path = next((each for each in itertools.chain(exact, alike) if each is not None), None)
    if path is None:
        raise DataError(
            f"{settings.file}: {excerpt(place)} does not exist, expected a place of images"
        )
    if path.is_dir():
        for each in sorted(files_below(path)):
            name = each.relative_to(path).as_posix()
            if has_image_suffix(name) and not is_hidden(name):
                yield name, each
        return
    for at, line in enumerate(read_text(path, DataError, "names of images").split("\n"), 1):
        if not line.strip():
            continue
        written = line.strip()
        image = next(
            (each for each in existing_places(path, path.parent, written) if each.is_file()), None
        )
        if image is None and need_images:
            raise DataError(
                f"{path}:{at}: image {excerpt(written)} is missing; correct the list, or "
                f"{LEAVE_OUT}"
            )
        image = image or path.parent.joinpath(*parts_of_place(written))
        inside = image.is_relative_to(path.parent)
        yield image.relative_to(path.parent).as_posix() if inside else image.name, image


def _record(
    name: str, path: Path, boxes: Sequence[Sequence[float]], size: tuple[int, int]
) -> ImageRecord:
    """Return the record of an image of (height, width) with boxes in shares of it."""
    height, width = size
    boxes_M4 = np.array(boxes, np.float64).reshape(-1, 4) * [width, height, width, height]
    return ImageRecord(name, path, boxes_M4.astype(np.float32), {}, "apply", shares_of=size)

"""Settings of YOLO: ``data.yaml`` (Ultralytics, Roboflow), ``classes.txt`` (Label Studio, LabelImg)
or ``obj.data`` (Darknet, CVAT), and what stands for them where there are none."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasface.annotations.classes import FACE, split_names
from nasface.annotations.layout import SPLITS, files_of, only_file, place_below, split_folder
from nasface.annotations.names import IMAGE_SUFFIXES, has_image_suffix
from nasface.annotations.yolo_labels import is_label_file, read_labels
from nasface.errors import DataError
from nasface.io.files import files_below, read_text
from nasface.io.yaml import parse_yaml

SETTINGS_FILES = (
    "data.yaml",
    "data.yml",
    "dataset.yaml",
    "obj.data",
    "classes.txt",
    "labels/classes.txt",
)
_SUFFIXES = (".yaml", ".yml", ".data")
"""Settings of any name are taken where they are the only file of such a suffix."""
ALL_IMAGES = "all"
"""The word for the images of a folder without splits."""


@dataclass(frozen=True)
class YoloSettings:
    """The settings file, or folder where there is none; the folder from which its places are; and
    its values in the words of ``data.yaml``."""

    file: Path
    base: Path
    values: Mapping[Any, Any]


def yolo_settings(root: Path) -> YoloSettings:
    """Return the settings that a path is or holds.

    Raises:
        DataError: if there are none that can be read.
    """
    file = root if root.is_file() else yolo_file(root)
    if file is None:
        images = _folders_of_images(root)
        if not images or not any(map(is_label_file, files_below(root))):
            images = _folders_with_labels(root)
        if not images:
            raise DataError(f"{root}: has no {', '.join(SETTINGS_FILES[:2])} or the like")
        names = _names_beside(root, images) or [FACE]
        return YoloSettings(root, root, {"names": names, **_divided(root, images)})
    base = file.parent
    if file.suffix.lower() in (".yaml", ".yml"):
        values = parse_yaml(read_text(file, DataError, "settings"), str(file), DataError)
        if isinstance(values, dict):
            # Written by hand, keys have capitals.
            values = {**{str(key).lower(): value for key, value in values.items()}, **values}
            base = base / str(values.get("path") or "")
    elif file.suffix.lower() == ".data":
        pairs = (line.split("=", 1) for line in _lines(file) if "=" in line)
        values = {key.strip(): value.strip() for key, value in pairs}
        listed = next(iter(existing_places(file, base, str(values.get("names")))), file)
        values["names"] = _lines(listed)
    elif file.name.lower() == "classes.txt":
        # LabelImg writes it among the labels.
        top = base.parent if base.name.lower() == "labels" else base
        images = _folders_of_images(top) or {ALL_IMAGES: "."}
        values = {"names": _lines(file), **_divided(top, images)}
        base = top
    else:
        raise DataError(f"{file}: is no settings file of YOLO, expected data.yaml")
    if not isinstance(values, dict):
        raise DataError(f"{file}: has no 'names' of classes")
    return YoloSettings(file, base, values)


def yolo_file(root: Path) -> Path | None:
    """Return the settings file of a folder: of a usual name, or else the only one of its suffix."""
    usual = (place_below(root, name) for name in SETTINGS_FILES)
    others = (only_file(root, suffix) for suffix in _SUFFIXES)
    return next((path for path in (*usual, *others) if path is not None and path.is_file()), None)


def _folders_of_images(root: Path) -> dict[str, str]:
    """Split -> folder of its images, where no file tells; ``ALL_IMAGES`` without splits."""
    found = {
        split: folder
        for split in SPLITS
        for word in split_names(split)
        for place in (f"images/{word}", f"{word}/images")
        if (folder := place_below(root, place)) is not None and folder.is_dir()
    }
    whole = place_below(root, "images")
    found = found or ({ALL_IMAGES: whole} if whole is not None and whole.is_dir() else {})
    return {split: folder.relative_to(root).as_posix() for split, folder in found.items()}


def _divided(root: Path, images: dict[str, str]) -> dict[str, str]:
    """Return the parts by the lists ``train.txt``, ``val.txt`` of a folder where all images are in
    one."""
    if ALL_IMAGES not in images:
        return images
    return {
        split: path.name
        for split in SPLITS
        for word in split_names(split)
        if (path := place_below(root, f"{word}.txt")) is not None and _names_images(path)
    } or images


def _names_images(path: Path) -> bool:
    """Return whether the first line of a text file is an image."""
    try:
        return has_image_suffix(next(iter(_lines(path)), ""))
    except DataError:
        return False


def _folders_with_labels(root: Path) -> dict[str, str]:
    """Return the same where labels lie beside their images, in the folder or in those of splits."""
    folders = {split: split_folder(root, split) for split in SPLITS}
    found = {split: each.name for split, each in folders.items() if each and _is_labelled(each)}
    return found or ({ALL_IMAGES: "."} if _is_labelled(root) else {})


def _is_labelled(folder: Path) -> bool:
    """Return whether a folder holds images, the first labels beside one of which are boxes; where
    there are annotations of another form beside them, these count."""
    if any(files_of(folder, suffix) for suffix in (".xml", ".csv", ".json")):
        return False
    both_cases = (*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES))
    for path in files_of(folder, ".txt"):
        if any(path.with_suffix(suffix).is_file() for suffix in both_cases):
            try:
                labels = read_labels(path, has_points=False)
            except DataError:
                return False
            if labels:
                return True
    return False


def _names_beside(root: Path, images: Mapping[str, str]) -> list[str]:
    """Return the names of the classes that Roboflow writes into each folder for Darknet."""
    for folder in images.values():
        path = root / folder / "_darknet.labels"
        if path.is_file():
            return _lines(path)
    return []


def splits_in(values: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return the parts that settings name."""
    return tuple(split for split in SPLITS if any(values.get(word) for word in split_names(split)))


def _lines(path: Path) -> list[str]:
    lines = read_text(path, DataError, "names").split("\n")
    return [line.strip() for line in lines if line.strip()]


def existing_places(file: Path, base: Path, place: str) -> list[Path]:
    """Return what is there of the places that a settings file may mean by one.

    Roboflow writes ``../train/images`` for the folder beside ``data.yaml``, CVAT ``data/train.txt``
    for the file beside it, and absolute paths are those of another machine; so folders in front
    are left out one by one.
    """
    return [
        path for top, part in meant_places(file, base, place) if os.path.exists(path := top / part)
    ]


def meant_places(file: Path, base: Path, place: str) -> list[tuple[Path, str]]:
    """Return those places, whether there is something or not: a folder, and the place below it."""
    parts = parts_of_place(place)
    rest = parts[next((at for at, part in enumerate(parts) if part != ".."), 0) :]
    meant = [(base, place), (file.parent, place), (base, "/".join(parts))]
    return meant + [(file.parent, "/".join(rest[at:])) for at in range(len(rest))]


def parts_of_place(place: str) -> list[str]:
    """Return the folders of a place and its last name."""
    return [part for part in place.replace("\\", "/").split("/") if part not in ("", ".")]

"""Training and validation parts of annotated images that have none of their own."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasface.annotations.classes import split_names
from nasface.annotations.layout import SPLITS
from nasface.annotations.names import excerpt, folded_name, without_suffix
from nasface.annotations.records import ImageRecord
from nasface.errors import ConfigError, DataError, did_you_mean
from nasface.io.files import read_text
from nasface.io.yaml import parse_yaml

_MANY = 20_000
"""Names of images among which the nearest one is not looked for: it would take seconds."""


def check_fraction(fraction: float) -> None:
    """Raise :class:`ConfigError` unless this can be the share of the validation images."""
    if not 0 <= fraction < 1:
        raise ConfigError(f"val_fraction: {fraction} is no share; expected 0 to below 1")


def part_by_fraction(
    records: Sequence[ImageRecord], split: str, fraction: float
) -> list[ImageRecord]:
    """Return the ``train`` or ``val`` part, where ``fraction`` of the images are for validation.

    They are those whose names come first by their SHA-256, so that they are spread evenly and are
    the same whatever the order of the images.

    Raises:
        ConfigError: for another split. DataError: if a part would be empty.
    """
    _check_split(split, "val_fraction")
    check_fraction(fraction)
    count = round(fraction * len(records))
    if not 0 < count < len(records):
        raise DataError(
            f"val_fraction: {fraction} of {len(records)} images leaves a part without any"
        )
    order = sorted(record.name for record in records)
    order.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
    chosen = set(order[:count])
    return [record for record in records if (record.name in chosen) == (split == "val")]


def part_by_file(records: Sequence[ImageRecord], split: str, path: Path) -> list[ImageRecord]:
    """Return the ``train`` or ``val`` part by a file of names of images, with or without their
    suffix; the case of letters, and how accents are written, may differ.

    The file is a map ``{train: [...], val: [...]}`` in YAML or JSON, whose ``test`` images are in
    neither part, or a list, which may also have a name in a line, of those for validation; images
    that no list of the file names are for training, unless it names those.

    Raises:
        ConfigError: for another split. DataError: naming the file, for a name of no image or of
            two, an image in two parts, and if the part would be empty.
    """
    _check_split(split, "split_file")
    known = _Known(records, path)
    parts = {part: [known.find(name) for name in names] for part, names in _names_in(path).items()}
    taken: dict[str, str] = {}
    for part, names in parts.items():
        for name in names:
            if taken.setdefault(name, part) != part:
                raise DataError(f"{path}: {excerpt(name)} is in both parts, expected it in one")
    others = [record.name for record in records if record.name not in taken]
    wanted = set(parts.get(split, others))
    found = [record for record in records if record.name in wanted]
    if not found:
        raise DataError(f"{path}: leaves no image for part {split!r}, expected some")
    return found


class _Known:
    """The images of a data set, to be found by what a file calls them."""

    def __init__(self, records: Sequence[ImageRecord], path: Path) -> None:
        self.path = path
        self.names = [record.name for record in records]
        self.by_stem: dict[str, list[str]] = {}
        self.by_folded_name: dict[str, list[str]] = {}
        for name in self.names:
            self.by_stem.setdefault(without_suffix(name), []).append(name)
            self.by_folded_name.setdefault(folded_name(name), []).append(name)
        self.by_name = {name: [name] for name in self.names}

    def find(self, written: str) -> str:
        name = written.replace("\\", "/").removeprefix("./")
        found = self.by_name.get(name) or self.by_stem.get(name)
        found = found or self.by_folded_name.get(folded_name(name), [])
        if len(found) > 1:
            raise DataError(
                f"{self.path}: {excerpt(written)} may be {found[0]!r} or {found[1]!r}, expected "
                "one of them"
            )
        if not found:
            near = did_you_mean(name, self.names) if len(self.names) <= _MANY else ""
            raise DataError(
                f"{self.path}: {excerpt(written)} is no image of the data, expected names such as "
                f"{self.names[0] if self.names else 'a.jpg'!r}{near}"
            )
        return found[0]


def _check_split(split: str, setting: str) -> None:
    if split not in ("train", "val"):
        raise ConfigError(f"{setting}: makes the parts train and val, and not {split!r}")


def _names_in(path: Path) -> Mapping[str, Sequence[str]]:
    text = read_text(path, DataError, "names of images")
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        return {"val": [line.strip() for line in text.split("\n") if line.strip()]}
    values: Any = parse_yaml(text, str(path), DataError)
    if isinstance(values, list):
        values = {"val": values}
    words = {word: split for split in SPLITS for word in split_names(split)}
    if isinstance(values, dict):
        found = {words.get(str(key).lower()): names for key, names in values.items()}
        is_whole = None not in found and "val" in found and len(found) == len(values)
        if is_whole and all(map(_are_names, found.values())):
            return {str(part): names for part, names in found.items()}
    keys = [str(key) for key in values] if isinstance(values, dict) else []
    unknown = [key for key in keys if key.lower() not in words]
    near = did_you_mean(unknown[0], SPLITS) if unknown else ""
    raise DataError(f"{path}: is no map of names of images, expected {{train: [], val: []}}{near}")


def _are_names(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)

"""Training and validation parts of annotated images that have none of their own."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasface.annotations.names import excerpt, without_suffix
from nasface.annotations.records import ImageRecord
from nasface.errors import ConfigError, DataError
from nasface.io.files import read_text
from nasface.io.yaml import parse_yaml


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
    suffix.

    The file is a map ``{train: [...], val: [...]}`` in YAML or JSON, or a list, a name in a line,
    of those for validation; all others are for training then.

    Raises:
        ConfigError: for another split. DataError: naming the file, for a name of no image, and if
            the part would be empty.
    """
    _check_split(split, "split_file")
    listed = _names_in(path)
    known = {without_suffix(record.name): record for record in records}
    known |= {record.name: record for record in records}
    parts: dict[str, set[str]] = {}
    for part, names in listed.items():
        for name in names:
            if name not in known:
                raise DataError(
                    f"{path}: {excerpt(name)} is no image of the data, expected names such as "
                    f"{records[0].name if records else 'a.jpg'!r}"
                )
        parts[part] = {known[name].name for name in names}
    shared = sorted(parts.get("train", set()) & parts["val"])
    if shared:
        raise DataError(f"{path}: {excerpt(shared[0])} is in both parts, expected it in one")
    wanted = parts.get(split, known.keys() - parts["val"])
    found = [record for record in records if record.name in wanted]
    if not found:
        raise DataError(f"{path}: leaves no image for part {split!r}, expected some")
    return found


def _check_split(split: str, setting: str) -> None:
    if split not in ("train", "val"):
        raise ConfigError(f"{setting}: makes the parts train and val, and not {split!r}")


def _names_in(path: Path) -> Mapping[str, Sequence[str]]:
    text = read_text(path, DataError, "names of images")
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        return {"val": [line.strip() for line in text.split("\n") if line.strip()]}
    values: Any = parse_yaml(text, str(path), DataError)
    is_map = isinstance(values, dict) and "val" in values and set(values) <= {"train", "val"}
    if not is_map or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names)
        for names in values.values()
    ):
        raise DataError(f"{path}: is no map of names of images, expected {{train: [], val: []}}")
    found: Mapping[str, Sequence[str]] = values
    return found

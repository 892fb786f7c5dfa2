"""Common handling of arguments by the functions that run long jobs."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import fields
from pathlib import Path
from typing import Any

from nasface.annotations.formats import DataConfig, read_dataset
from nasface.annotations.records import AnnotatedDataset, ImageRecord
from nasface.errors import ConfigError, DataError

READING = ("data", *(each.name for each in fields(DataConfig)))
"""Settings of which data are read and how, which annotated images have behind them."""


def source_of_settings(data: Sequence[ImageRecord] | str | Path) -> str:
    """Return the folder that annotated images come from, for the settings of a run; empty for
    others."""
    if isinstance(data, str | Path):
        return str(data)
    return str(data.root) if isinstance(data, AnnotatedDataset) else ""


def annotated_images(data: Sequence[ImageRecord] | str | Path, split: str) -> Sequence[ImageRecord]:
    """Return annotated images: as they are given, or those of one part of a data set's folder.

    Raises:
        DataError: for what are no annotated images. What :func:`read_dataset` raises.
    """
    if isinstance(data, str | Path):
        return read_dataset(data, split)
    expected = "expected a folder, what read_dataset returns, or a list of ImageRecord"
    if not isinstance(data, Sized) or not hasattr(data, "__getitem__"):
        raise DataError(f"{split}: is of type {type(data).__name__}; {expected}")
    # By number: objects that have only a length and items do not end when they are iterated over.
    for at in range(len(data)):
        if not isinstance(data[at], ImageRecord):
            kind = type(data[at]).__name__
            raise DataError(f"{split}: item {at} is of type {kind}; {expected}")
    return data if isinstance(data, AnnotatedDataset) else [data[at] for at in range(len(data))]


def refuse(settings: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise :class:`ConfigError` for settings that other arguments decide."""
    for name in names:
        if name in settings:
            raise ConfigError(f"{name}: is no setting here; expected it in the other arguments")

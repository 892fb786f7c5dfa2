"""Common handling of arguments by the functions that run long jobs."""

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from nasface.annotations.formats import DataConfig, read_dataset
from nasface.annotations.records import AnnotatedDataset, ImageRecord
from nasface.errors import ConfigError, DataError, check_kind
from nasface.io.files import as_path

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
        DataError: for what are no annotated images, and lists of them whose boxes are not in
            pixels, or not of two corners. What :func:`read_dataset` raises.
    """
    if isinstance(data, str | Path):
        return read_dataset(data, split)
    expected = "expected a folder, what read_dataset returns, or a list of ImageRecord"
    is_list = isinstance(data, Sized) and hasattr(data, "__getitem__")
    if not is_list or isinstance(data, Mapping):
        raise DataError(f"{split}: is of type {type(data).__name__}; {expected}")
    # By number: objects that have only a length and items do not end when they are iterated over.
    for at in range(len(data)):
        if not isinstance(data[at], ImageRecord):
            kind = type(data[at]).__name__
            raise DataError(f"{split}: item {at} is of type {kind}; {expected}")
    if isinstance(data, AnnotatedDataset):
        return data
    records = [data[at] for at in range(len(data))]
    _check_boxes(records, split)
    return records


def _check_boxes(records: Sequence[ImageRecord], split: str) -> None:
    """Raise DataError for shares of the image, and for widths and heights, in the place of corners.

    Readers of files look for both by themselves.
    """
    boxes = [record.boxes_M4 for record in records if len(record.boxes_M4)]
    if not boxes:
        return
    every_N4 = np.concatenate(boxes)
    expected = "expected x1 y1 x2 y2 in pixels"
    if every_N4.max() <= 1 and (every_N4 > 0).any():
        raise DataError(f"{split}: all boxes lie between 0 and 1; {expected}")
    has_area_N = (every_N4[:, 2:] > every_N4[:, :2]).all(axis=1)
    if has_area_N.mean() < 0.5:  # a data set has a few at most
        raise DataError(
            f"{split}: {(~has_area_N).sum()} of {len(every_N4)} boxes have no width or no height; "
            f"{expected}, not x y w h"
        )


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """Return the names that match a pattern such as ``"asfd*"``, in their order.

    Raises:
        ConfigError: for a pattern that is no text.
    """
    check_kind("pattern", pattern, str, 'text such as "asfd*"')
    return [name for name in names if fnmatch(name, pattern)]


def output_folder(out: object) -> Path | None:
    """Return the folder that an argument ``out`` names; None where nothing is written.

    Raises:
        ConfigError: for what is no path.
    """
    return None if out is None else as_path(out, "out")


def refuse(settings: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise :class:`ConfigError` for settings that other arguments decide."""
    for name in names:
        if name in settings:
            raise ConfigError(f"{name}: is no setting here; expected it in the other arguments")

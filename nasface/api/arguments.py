"""Common handling of arguments by the functions that run long jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from nasface.annotations.formats import DataConfig
from nasface.annotations.records import AnnotatedDataset, ImageRecord
from nasface.errors import ConfigError

READING = ("data", *(each.name for each in fields(DataConfig)))
"""Settings of which data are read and how, which annotated images have behind them."""


def source_of_settings(data: Sequence[ImageRecord] | str | Path) -> str:
    """Return the folder that annotated images come from, for the settings of a run; empty for
    others."""
    if isinstance(data, str | Path):
        return str(data)
    return str(data.root) if isinstance(data, AnnotatedDataset) else ""


def refuse(settings: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise :class:`ConfigError` for settings that other arguments decide."""
    for name in names:
        if name in settings:
            raise ConfigError(f"{name}: is no setting here; expected it in the other arguments")

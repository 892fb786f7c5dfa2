"""Saving figures: the file type follows the suffix, and a file is whole or not there."""

import os
from pathlib import Path

from matplotlib.figure import Figure

from nasface.errors import ConfigError

SUFFIXES = (".png", ".svg", ".pdf")


def check_suffix(path: Path, accepted: tuple[str, ...] = SUFFIXES) -> None:
    """Raise :class:`ConfigError` for a file type that cannot be written."""
    if path.suffix not in accepted:
        raise ConfigError(f"{path}: cannot write this type; expected {', '.join(accepted)}")


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure and return its path."""
    check_suffix(path)
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    # Without a date in it, an unchanged figure is an unchanged file.
    figure.savefig(temporary, dpi=150, bbox_inches="tight", metadata=_undated(path.suffix))
    os.replace(temporary, path)
    return path


def _undated(suffix: str) -> dict[str, None]:
    return {} if suffix == ".png" else {"Date" if suffix == ".svg" else "CreationDate": None}

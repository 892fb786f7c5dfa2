"""Saving figures: the file type follows the suffix, and a file is whole or not there."""

import io
from pathlib import Path

from matplotlib.figure import Figure

from nasface.errors import ConfigError
from nasface.io.files import write_bytes

SUFFIXES = (".png", ".svg", ".pdf")


def check_suffix(path: Path, accepted: tuple[str, ...] = SUFFIXES) -> None:
    """Raise :class:`ConfigError` for a file type that cannot be written."""
    if path.suffix not in accepted:
        raise ConfigError(f"{path}: cannot write this type; expected {', '.join(accepted)}")


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure and return its path."""
    check_suffix(path)
    whole = io.BytesIO()
    # Without a date in it, an unchanged figure is an unchanged file.
    form, metadata = path.suffix[1:], _undated(path.suffix)
    # A layout engine makes everything fit; cropping would draw the figure a second time.
    crop = None if figure.get_layout_engine() else "tight"
    figure.savefig(whole, format=form, dpi=150, bbox_inches=crop, metadata=metadata)
    write_bytes(path, whole.getvalue())
    return path


def _undated(suffix: str) -> dict[str, None]:
    return {} if suffix == ".png" else {"Date" if suffix == ".svg" else "CreationDate": None}

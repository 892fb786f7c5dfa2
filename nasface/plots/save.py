"""Saving figures: the file type follows the suffix, and a file is whole or not there."""

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nasface.errors import ConfigError, did_you_mean
from nasface.io.files import write_bytes

SUFFIXES = (".png", ".svg", ".pdf")
_DPI = 150
_DATES = {".svg": "Date", ".pdf": "CreationDate"}
"""Metadata that is left out, so that an unchanged figure is an unchanged file."""


def check_suffix(path: Path, accepted: tuple[str, ...] = SUFFIXES) -> None:
    """Raise :class:`ConfigError` for a file type that cannot be written."""
    if path.suffix not in accepted:
        near = did_you_mean(path.suffix, accepted)
        raise ConfigError(f"{path}: cannot write this type; expected {', '.join(accepted)}{near}")


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as it is laid out and return its path.

    Raises:
        ConfigError: for another suffix than png, svg or pdf.
    """
    check_suffix(path)
    whole = io.BytesIO()
    if path.suffix == ".png":
        # As savefig does, which draws a figure with a layout engine twice.
        figure.set_dpi(_DPI)
        FigureCanvasAgg(figure).print_png(whole)
    else:
        date = {_DATES[path.suffix]: None}
        figure.savefig(whole, format=path.suffix[1:], dpi=_DPI, metadata=date)
    write_bytes(path, whole.getvalue())
    return path

"""Figures of matplotlib that a notebook shows and that are saved whole or not at all."""

import io
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nasface.errors import ConfigError, did_you_mean
from nasface.io.files import as_path, write_bytes

SUFFIXES = (".png", ".svg", ".pdf")
_DPI = 150
_NOTEBOOK_DPI = 100
_DATES = {"svg": "Date", "pdf": "CreationDate"}
"""Metadata that is left out, so that an unchanged figure is an unchanged file."""


class Plot(Figure):
    """A figure of matplotlib, whose axes may be changed further; a notebook shows it."""

    def render(self, form: str, dpi: float = _DPI) -> bytes:
        """Return the figure as ``svg``, ``png`` or ``pdf``; ``dpi`` is the resolution of a
        ``png``, and of what an ``svg`` or ``pdf`` has as pixels."""
        whole = io.BytesIO()
        if form != "png":
            # Without a salt, an svg has random identifiers.
            salt = mpl.rcParams["svg.hashsalt"] or "nasface"
            with mpl.rc_context({"svg.hashsalt": salt}):
                self.savefig(whole, format=form, dpi=dpi, metadata={_DATES[form]: None})
            return whole.getvalue()
        before = self.get_dpi()
        self.set_dpi(dpi)
        try:
            # As savefig does, which draws a figure with a layout engine twice.
            FigureCanvasAgg(self).print_png(whole)
        finally:
            self.set_dpi(before)
        return whole.getvalue()

    def save(self, path: Path | str) -> Path:
        """Write the figure into a file; the suffix (png, svg, pdf) names its type.

        A file that is there is replaced.

        Raises:
            ConfigError: for another suffix. OutputError: if it cannot be written.
        """
        path = as_path(path, "path")
        check_suffix(path)
        write_bytes(path, self.render(path.suffix[1:].lower()))
        return path

    def _repr_png_(self) -> bytes:
        """Return what a notebook shows; it shows plain figures only after an import of pyplot."""
        return self.render("png", _NOTEBOOK_DPI)


def check_suffix(path: Path, accepted: tuple[str, ...] = SUFFIXES) -> None:
    """Raise :class:`ConfigError` for a file type that cannot be written."""
    if path.suffix.lower() not in accepted:
        near = did_you_mean(path.suffix, accepted)
        raise ConfigError(f"{path}: cannot write this type; expected {', '.join(accepted)}{near}")

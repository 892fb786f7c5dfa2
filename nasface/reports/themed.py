"""Figures of matplotlib as SVG inside an HTML page, in the colours of the page's text."""

import base64
from collections.abc import Callable
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from nasface.drawing.draw import Drawing
from nasface.plots.figure import Plot

_TEXT = "#010203"
"""Stands for the colour of the page's text, black in light and white in dark mode."""
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": _TEXT,
    "axes.edgecolor": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "legend.framealpha": 0.0,
    "legend.fontsize": 9,
}


def themed_svg(draw: Callable[[], Plot], key: str) -> str:
    """Return the figure that ``draw`` makes, as an SVG element without a colour of its own.

    ``key`` tells its identifiers from those of other figures in the page.
    """
    with mpl.rc_context({**_STYLE, "svg.hashsalt": key}):
        text = draw().render("svg").decode()
    return text[text.index("<svg") :].replace(_TEXT, "currentColor")


def picture_uri(picture: Plot | Drawing) -> str:
    """Return a figure or drawing as a ``data:`` address for an image element."""
    return _uri("image/svg+xml", picture.render("svg"))


def photograph_uri(image_HW3: NDArray[np.uint8], longest: int = 480) -> str:
    """Return an RGB image, made smaller, as a ``data:`` address."""
    ratio = min(1.0, longest / max(image_HW3.shape[:2]))
    size = (max(1, int(image_HW3.shape[1] * ratio)), max(1, int(image_HW3.shape[0] * ratio)))
    small = cv2.resize(image_HW3, size, interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])[1]
    return _uri("image/jpeg", coded.tobytes())


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"

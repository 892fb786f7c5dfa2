"""Curves of evaluations, a panel for each set of faces."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from nasface.errors import ConfigError
from nasface.metrics.protocol import Curve, Curves
from nasface.plots.figure import Plot

Place = Literal["lower left", "lower right"]
_STYLES = ("-", "--", "-.", ":")


def plot_curves(results: Mapping[str, Curves]) -> Plot:
    """Plot one panel for each name of a curve, a line in it for each result that has the curve.

    The legend gives the value of each curve, the best first.

    Raises:
        ConfigError: if the results have different axes.
    """
    first = next(iter(results.values()))
    for label, each in results.items():
        if (each.x, each.y) != (first.x, first.y):
            raise ConfigError(
                f"results: {label} has {each.y} over {each.x}, the first {first.y} over {first.x}; "
                "expected the same curves in one figure"
            )
    names = list(dict.fromkeys(each.name for found in results.values() for each in found.curves))
    figure = Plot(figsize=(0.8 + 4.4 * max(1, len(names)), 4.4), layout="constrained")
    panels = figure.subplots(1, max(1, len(names)), squeeze=False)[0]
    limit = max(each.x_limit for each in results.values())
    for axes, name in zip(panels, names or ["nothing was detected"], strict=True):
        shown: dict[Line2D, tuple[float, str]] = {}
        for at, (label, found) in enumerate(results.items()):
            for curve in found.curves:
                if curve.name == name and np.isfinite(curve.x).any():
                    line = _line(axes, curve, at, found)
                    value = -1.0 if curve.value is None else curve.value
                    text = label if curve.value is None else f"{label}  {curve.value:.3f}"
                    shown[line] = (value, text)
        _legend(axes, shown, "lower right" if first.steps else "lower left")
        axes.set(title=name, xlabel=_words(first.x), ylabel=_words(first.y))
        axes.set(xlim=(0, limit), ylim=(0, 1.02))
    return figure


def _line(axes: Axes, curve: Curve, at: int, curves: Curves) -> Line2D:
    """Return a line that is told from its neighbours by colour and, printed in grey, by its
    dashes."""
    shown = curve.x <= curves.x_limit
    if not curves.steps:
        shown &= curve.y > 0
    return axes.plot(
        curve.x[shown],
        curve.y[shown],
        linewidth=1.6,
        linestyle=_STYLES[at % len(_STYLES)],
        color=f"C{at % 10}",
        drawstyle="steps-post" if curves.steps else "default",
    )[0]


def _legend(axes: Axes, shown: Mapping[Line2D, tuple[float, str]], place: Place) -> None:
    axes.grid(alpha=0.3)
    ranked = sorted(shown.items(), key=lambda each: -each[1][0])
    if ranked:
        axes.legend([line for line, _ in ranked], [text for _, (_, text) in ranked], loc=place)


def _words(name: str) -> str:
    return name.replace("_", " ")

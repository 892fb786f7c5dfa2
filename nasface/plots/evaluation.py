"""Curves of evaluations: precision over recall, and the two rates of FDDB."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from nasface.metrics.average_precision import area_under_envelope
from nasface.plots.save import save_figure

Place = Literal["lower left", "lower right"]
_STYLES = ("-", "--", "-.", ":")


def plot_precision_recall(results: Mapping[str, pd.DataFrame], path: Path) -> Path:
    """One panel for each set of faces, a curve in it for each result.

    ``results`` maps a label to a frame with the columns set, recall and precision. The legend gives
    the area under each curve, the best first.
    """
    found = dict.fromkeys(name for frame in results.values() for name in frame["set"])
    sets = list(found) or ["nothing was detected"]
    figure = Figure(figsize=(0.8 + 4.4 * len(sets), 4.4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        shown: dict[Line2D, tuple[float, str]] = {}
        for at, (label, frame) in enumerate(results.items()):
            rows = frame[(frame["set"] == name) & (frame["precision"] > 0)]
            if rows["recall"].notna().any():
                recall, precision = (rows[key].to_numpy(float) for key in ("recall", "precision"))
                ap = area_under_envelope(recall, precision)
                line = _curve(axes, recall, precision, at)
                shown[line] = (ap, f"{label}  {ap:.3f}")
        _legend(axes, shown, "lower left")
        axes.set(title=name, xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    return save_figure(figure, path)


def plot_roc(results: Mapping[str, pd.DataFrame], path: Path, read_at: int = 1000) -> Path:
    """The discontinuous and the continuous true positive rate over the number of false positives.

    ``results`` maps a label to a frame with the columns false_positives and one or both rates. The
    legend gives each rate at ``read_at`` false positives, or where the curve ends before.
    """
    rates = [
        rate
        for rate in ("discontinuous", "continuous")
        if any(rate in frame for frame in results.values())
    ]
    figure = Figure(figsize=(0.8 + 5 * len(rates), 4.4), layout="constrained")
    for axes, rate in zip(figure.subplots(1, len(rates), squeeze=False)[0], rates, strict=True):
        shown: dict[Line2D, tuple[float, str]] = {}
        last = 1.0
        for at, (label, frame) in enumerate(results.items()):
            if rate not in frame:
                continue
            count, value = (frame[key].to_numpy(float) for key in ("false_positives", rate))
            within = count <= 2 * read_at
            line = _curve(axes, count[within], value[within], at, "steps-post")
            reached = float(value[count <= read_at].max(initial=0.0))
            shown[line] = (reached, f"{label}  {reached:.3f}")
            last = max(last, float(count[within].max(initial=0.0)))
        _legend(axes, shown, "lower right")
        axes.set(title=f"{rate} score", xlabel="false positives", ylabel="true positive rate")
        axes.set(xlim=(0, last), ylim=(0, 1.02))
    return save_figure(figure, path)


def _curve(
    axes: Axes, x: NDArray[np.floating], y: NDArray[np.floating], at: int, steps: str = "default"
) -> Line2D:
    """A line that is told from its neighbours by colour and, printed in grey, by its dashes."""
    style = _STYLES[at % len(_STYLES)]
    return axes.plot(x, y, linewidth=1.6, linestyle=style, color=f"C{at % 10}", drawstyle=steps)[0]


def _legend(axes: Axes, shown: Mapping[Line2D, tuple[float, str]], place: Place) -> None:
    axes.grid(alpha=0.3)
    ranked = sorted(shown.items(), key=lambda each: -each[1][0])
    if ranked:
        axes.legend([line for line, _ in ranked], [text for _, (_, text) in ranked], loc=place)

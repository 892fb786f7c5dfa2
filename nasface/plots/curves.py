"""Plots of what a run measured."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from nasface.metrics.protocol import figure_label
from nasface.plots.figure import Plot


def plot_training_curves(rows: Sequence[Mapping[str, Any]]) -> Plot:
    """Plot each metric of a run but ``step`` over the steps; losses also smoothed."""
    metrics = pd.DataFrame(rows)
    columns = [name for name in metrics.columns if name != "step" and metrics[name].notna().any()]
    figure = Plot(figsize=(7, 1.9 * len(columns) + 0.6), layout="constrained")
    panels = figure.subplots(len(columns), squeeze=False, sharex=True)[:, 0]
    for axes, name in zip(panels, columns, strict=True):
        draw_metric(axes, metrics, name, ("C0", "C1"))
        axes.set_ylabel(figure_label(name))
        axes.set_xlim(0, float(metrics["step"].max()))
    axes.set_xlabel("step")
    return figure


def plot_metric(runs: Mapping[str, pd.DataFrame], name: str) -> Plot:
    """Plot one column of the metrics of several runs over their steps."""
    figure = Plot(figsize=(5.6, 3.6), layout="constrained")
    axes = figure.subplots()
    for at, (label, metrics) in enumerate(runs.items()):
        draw_metric(axes, metrics, name, (f"C{at % 10}",) * 2, label)
    if len(runs) > 1:
        axes.legend()
    axes.set(xlabel="step", ylabel=figure_label(name))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def draw_metric(
    axes: Axes, metrics: pd.DataFrame, name: str, colours: tuple[str, str], label: str | None = None
) -> None:
    """Draw values, faint where there are many, and then their running mean in the second colour."""
    rows = metrics[["step", name]].dropna()
    if len(rows) < 60:
        axes.plot(rows["step"], rows[name], marker="o", color=colours[0], label=label)
    else:
        smooth = rows[name].rolling(max(5, len(rows) // 50), min_periods=1).mean()
        axes.plot(rows["step"], rows[name], alpha=0.35, color=colours[0])
        axes.plot(rows["step"], smooth, linewidth=1.6, color=colours[1], label=label)
    if name == "ap":
        # From zero to the best of all runs, and to one where all is zero or nothing was found.
        best = axes.dataLim.ymax
        axes.set_ylim(0, 1.05 * best if 0 < best < float("inf") else 1)
    axes.grid(alpha=0.3)

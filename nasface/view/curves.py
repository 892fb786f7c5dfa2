"""Plots of what a run measured."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from nasface.view.figures import save_figure


def plot_training_curves(metrics: pd.DataFrame, path: Path) -> Path:
    """Each column of the metrics but ``step`` over the steps; losses also smoothed."""
    columns = [name for name in metrics.columns if name != "step" and metrics[name].notna().any()]
    figure = Figure(figsize=(7, 1.9 * len(columns) + 0.6), layout="constrained")
    for axes, name in zip(figure.subplots(len(columns), squeeze=False)[:, 0], columns, strict=True):
        rows = metrics[["step", name]].dropna()
        few = len(rows) < 60
        axes.plot(rows["step"], rows[name], marker="o" if few else None, alpha=1 if few else 0.35)
        if not few:
            smooth = rows[name].rolling(max(5, len(rows) // 50), min_periods=1).mean()
            axes.plot(rows["step"], smooth, linewidth=1.6)
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.set_xlim(0, float(metrics["step"].max()))
    axes.set_xlabel("step")
    return save_figure(figure, path)

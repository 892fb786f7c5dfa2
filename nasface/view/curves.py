"""Plots of what a run measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nasface.view.figures import save_figure

Floats = NDArray[np.floating]


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


def plot_choice_history(
    history: Mapping[str, Floats], epochs: Sequence[int], operations: Sequence[str], path: Path
) -> Path:
    """How the choice weights of each cell moved.

    ``history`` maps a cell to the scores of its pairs (epochs, edges, operations), nan where an
    operation is not offered. Left: the scores after the last epoch, edge by edge; right: the mean
    entropy over the edges, each normalised to sum one, as a share of the greatest possible.
    """
    figure = Figure(figsize=(9, 2.6 * len(history)), layout="constrained")
    grid = figure.subplots(len(history), 2, squeeze=False, width_ratios=(3, 2))
    for (left, right), (cell, scores) in zip(grid, history.items(), strict=True):
        is_open = np.isfinite(scores[-1]).sum(axis=1) > 1
        last = scores[-1][is_open]
        shown = np.flatnonzero(np.isfinite(last).any(axis=0))
        image = left.imshow(last[:, shown].T, aspect="auto", cmap="viridis", vmin=0)
        left.set_yticks(range(len(shown)), [operations[int(at)] for at in shown], fontsize=7)
        left.set(title=f"{cell}: scores at the end", xlabel="edge with a choice")
        figure.colorbar(image, ax=left)
        right.plot(epochs, [_entropy(each[is_open]) for each in scores], marker="o", markersize=3)
        right.set(title="entropy", xlabel="epoch", ylim=(0, 1.02))
        right.grid(alpha=0.3)
    return save_figure(figure, path)


def _entropy(scores_EO: Floats) -> float:
    known = np.where(np.isfinite(scores_EO), scores_EO, 0)
    share = known / known.sum(axis=1, keepdims=True)
    entropy = -(share * np.log(np.maximum(share, 1e-12))).sum(axis=1)
    return float((entropy / np.log(np.isfinite(scores_EO).sum(axis=1))).mean())

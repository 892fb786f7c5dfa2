"""The figure of a comparison: a point for every run, mean and interval for every method."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nasface.metrics.protocol import figure_label
from nasface.plots.figure import Plot
from nasface.studies.statistics import mean_of


def plot_comparison(rows: Sequence[Mapping[str, Any]], figure: str) -> Plot:
    """Draw ``figure`` of runs (keys ``label``, ``seed`` and the figure), a row for each label.

    Mean and interval are those of the seeds' means, as in the table of the comparison. Seeds have
    the same colour in all rows, so that pairs can be followed by eye.
    """
    runs = pd.DataFrame(rows)
    labels = list(dict.fromkeys(runs["label"]))
    seeds = sorted(set(runs["seed"]))
    plot = Plot(figsize=(7, 1.2 + 0.42 * len(labels)), layout="constrained")
    axes = plot.subplots()
    offsets = np.linspace(-0.15, 0.15, len(seeds)) if len(seeds) > 1 else [0.0]
    for at, label in enumerate(labels):
        own = runs[runs["label"] == label]
        for offset, (index, seed) in zip(offsets, enumerate(seeds), strict=True):
            values = own[own["seed"] == seed][figure]
            axes.plot(
                values, [at + offset] * len(values), "o", color=f"C{index % 10}", ms=4, alpha=0.8,
                label=f"seed {seed}" if at == 0 else None,
            )  # fmt: skip
        # Trainings of one seed are no repetitions of the method: a seed counts once.
        mean = mean_of(own[figure].astype(float).groupby(own["seed"]).mean().tolist())
        half = 0.0 if np.isnan(mean.half) else mean.half
        axes.errorbar(mean.value, at, xerr=half, fmt="|", color="black", ms=14, capsize=4, lw=1.2)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    left, right = axes.get_xlim()
    axes.set_xlim(max(0.0, left), min(1.0, right))  # an interval may leave what the figure can be
    axes.set_xlabel(f"{figure_label(figure)}; mean and its 95 % interval in black")
    axes.grid(axis="x", alpha=0.3)
    if 1 < len(seeds) <= 10:
        plot.legend(loc="outside upper center", ncols=min(len(seeds), 6), fontsize=8)
    return plot

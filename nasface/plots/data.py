"""Plots of the contents of a data set."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from nasface.plots.figure import Plot


def plot_faces(parts: Mapping[str, Mapping[str, Any]]) -> Plot:
    """Plot valid faces by height and images by valid faces, a bar for each part of a data set.

    ``parts`` maps a label to figures of :class:`nasface.data.check.DataCheck`.
    """
    figure = Plot(figsize=(9.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    _bars(left, {label: each["valid_faces_by_height"] for label, each in parts.items()})
    left.set(xlabel="height of a valid face", ylabel="faces")
    _bars(right, {label: each["images_by_valid_faces"] for label, each in parts.items()})
    right.set(xlabel="valid faces in an image", ylabel="images")
    left.legend()
    return figure


def _bars(axes: Axes, parts: Mapping[str, Mapping[str, int]]) -> None:
    width = 0.8 / len(parts)
    for at, (label, counts) in enumerate(parts.items()):
        places = [place - 0.4 + (at + 0.5) * width for place in range(len(counts))]
        bars = axes.bar(places, list(counts.values()), width, label=label)
        axes.bar_label(bars, fontsize=7)
        axes.set_xticks(range(len(counts)), list(counts), rotation=30, ha="right")

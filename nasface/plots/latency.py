"""Bars of what exported detectors take."""

from collections.abc import Sequence

from nasface.plots.figure import Plot

Bar = tuple[str, int, float]
"""File, threads, milliseconds."""


def plot_latencies(rows: Sequence[Bar], title: str) -> Plot:
    """Plot a bar for each file and number of threads, the files one below the other."""
    files = list(dict.fromkeys(file for file, _, _ in rows))
    numbers = list(dict.fromkeys(threads for _, threads, _ in rows))
    figure = Plot(figsize=(7, 0.35 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(numbers)
    for at, threads in enumerate(numbers):
        taken = {file: value for file, number, value in rows if number == threads}
        places = [files.index(file) - 0.4 + (at + 0.5) * height for file in taken]
        label = "1 thread" if threads == 1 else f"{threads} threads"
        bars = axes.barh(places, list(taken.values()), height, label=label)
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
    axes.set_yticks(range(len(files)), files)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(xlabel="milliseconds, median", title=title)
    axes.legend()
    return figure

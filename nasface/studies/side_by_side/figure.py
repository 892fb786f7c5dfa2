"""The figure of a comparison of models: reported accuracy against parameters, multiply-adds and
measured time."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from nasface.plots.figure import Plot
from nasface.studies.side_by_side.plan import ModelsPlan


def plot_models(plan: ModelsPlan, rows: Sequence[Mapping[str, Any]]) -> Plot | None:
    """Draw the models whose AP is reported, a panel for each measure; None if there are none.

    Models of a series are joined by a line; the others are squares.
    """
    shown = {row["name"]: row for row in rows if row["reported_ap"] is not None}
    if not shown:
        return None
    panels = {"parameters": ("parameters, M", 1e6), "macs": ("multiply-adds, G", 1e9)}
    for engine in plan.used_engines:
        if any(row[f"{engine}_ms"] for row in shown.values()):
            panels[f"{engine}_ms"] = (f"ms, {engine}", 1)
    figure = Plot(figsize=(4 * len(panels), 4), layout="constrained")
    every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (key, (label, unit)) in zip(every, panels.items(), strict=True):
        points = {
            name: (row[key] / unit, row["reported_ap"]) for name, row in shown.items() if row[key]
        }
        _draw(axes, plan, points)
        axes.set(xscale="log", xlabel=label)
        axes.margins(x=0.1, y=0.12)
        left, right = axes.get_xlim()
        right *= (right / left) ** 0.3  # room for names
        axes.set_xlim(left, right)
        if right > 10 * left:  # a power of ten, with its name, is in sight
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
    every[0].set_ylabel("reported AP")
    return figure


def _draw(axes: Axes, plan: ModelsPlan, points: Mapping[str, tuple[float, float]]) -> None:
    series: dict[str, list[str]] = {}
    for each in plan.models:
        if each.name in points:
            series.setdefault(each.series, []).append(each.name)
    for name, members in series.items():
        positions = [points[member] for member in members]
        axes.plot(*zip(*positions, strict=True), "o-" if name else "s", label=name or None)
        # Names along a line are turned: its models stand close together.
        place = {"xytext": (-2, 5), "rotation": 60} if name else {"xytext": (6, -3)}
        for member, point in zip(members, positions, strict=True):
            axes.annotate(member, point, textcoords="offset points", fontsize=7, **place)
    if any(series):
        axes.legend(fontsize=8, loc="upper left")

"""The figure of a comparison."""

from pathlib import Path

import numpy as np
import pytest
from comparisons import row
from matplotlib.axes import Axes

from nasface.studies.figure import plot_comparison


def test_trainings_of_one_seed_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[float, float]] = []

    def errorbar(axes: Axes, x: float, y: float, xerr: float, **_: object) -> None:
        drawn.append((x, xerr))

    monkeypatch.setattr(Axes, "errorbar", errorbar)
    of_seeds = {0: (0.2, 0.4), 1: (0.5, 0.5), 2: (0.6,)}
    rows = [
        {"label": "a", "seed": seed, "easy": value}
        for seed, values in of_seeds.items()
        for value in values
    ]
    plot_comparison(rows, "easy")
    means = [0.3, 0.5, 0.6]
    # 4.30265 is Student's t for 95 % and two degrees of freedom.
    expected = np.mean(means), 4.30265 * np.std(means, ddof=1) / np.sqrt(3)
    assert drawn == [pytest.approx(expected, rel=1e-5)]


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    rows = [row("fpn", seed, 0.1 * seed) for seed in range(3)] + [row("pan", 0, 0.5)]
    plot_comparison(rows, "ap").save(tmp_path / "summary.png")
    assert (tmp_path / "summary.png").stat().st_size > 5000

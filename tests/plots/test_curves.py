import pandas as pd
import pytest
from matplotlib.figure import Figure

from nasface.plots.curves import draw_metric, plot_training_curves


def test_training_curves_draw_every_measured_column() -> None:
    rows = [{"step": step, "loss": 5 - 0.04 * step} for step in range(99)]
    rows.append({"step": 99, "ap": 0.5})
    assert [axes.get_ylabel() for axes in plot_training_curves(rows).axes] == ["loss", "AP"]


@pytest.mark.parametrize(("runs", "top"), [([(0.2, 0.4), (0.3, 0.6)], 0.63), ([(0.0, 0.0)], 1.0)])
def test_average_precision_is_drawn_from_zero(runs: list[tuple[float, float]], top: float) -> None:
    axes = Figure().subplots()
    for ap in runs:
        draw_metric(axes, pd.DataFrame({"step": [1, 2], "ap": ap}), "ap", ("C0", "C0"))
    assert axes.get_ylim() == pytest.approx((0, top))

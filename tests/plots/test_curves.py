from pathlib import Path

import numpy as np
import pandas as pd

from nasface.plots.curves import plot_training_curves


def test_training_curves_draw_every_measured_column(tmp_path: Path) -> None:
    metrics = pd.DataFrame({"step": range(100), "loss": np.linspace(5, 1, 100), "ap": np.nan})
    metrics.loc[99, "ap"] = 0.5
    text = plot_training_curves(metrics, tmp_path / "m.svg").read_text()
    assert "<!-- loss -->" in text
    assert "<!-- ap -->" in text

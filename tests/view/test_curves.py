from pathlib import Path

import numpy as np
import pandas as pd

from nasface.view.curves import plot_choice_history, plot_training_curves


def test_training_curves_draw_every_measured_column(tmp_path: Path) -> None:
    metrics = pd.DataFrame({"step": range(100), "loss": np.linspace(5, 1, 100), "ap": np.nan})
    metrics.loc[99, "ap"] = 0.5
    text = plot_training_curves(metrics, tmp_path / "m.svg").read_text()
    assert "<!-- loss -->" in text
    assert "<!-- ap -->" in text


def test_choice_history_shows_offered_operations_only(tmp_path: Path) -> None:
    scores = np.full((3, 4, 3), np.nan)
    scores[:, :, :2] = 0.5
    operations = ("skip", "sep_3x3", "dense_3x3")
    text = plot_choice_history(
        {"c2": scores}, [1, 2, 3], operations, tmp_path / "h.svg"
    ).read_text()
    assert "<!-- sep_3x3 -->" in text
    assert "<!-- dense_3x3 -->" not in text

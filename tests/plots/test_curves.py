from pathlib import Path

from nasface.plots.curves import plot_training_curves


def test_training_curves_draw_every_measured_column(tmp_path: Path) -> None:
    rows = [{"step": step, "loss": 5 - 0.04 * step} for step in range(99)]
    rows.append({"step": 99, "ap": 0.5})
    text = plot_training_curves(rows, tmp_path / "m.svg").read_text()
    assert "<!-- loss -->" in text
    assert "<!-- ap -->" in text

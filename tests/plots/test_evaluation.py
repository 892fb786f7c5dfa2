from pathlib import Path

import numpy as np
import pytest

from nasface.errors import ConfigError
from nasface.metrics.protocol import Curve, Curves
from nasface.plots.evaluation import plot_curves


def pr(*names: str, value: float | None = 0.42) -> Curves:
    x, y = np.array([0.0, 0.1, 0.5]), np.array([0.0, 1.0, 0.8])
    return Curves("recall", "precision", tuple(Curve(name, x, x, y, value) for name in names))


def roc(name: str, value: float) -> Curves:
    x, y = np.array([0.0, 900, 1500]), np.array([0.5, 0.8, 0.9])
    curve = Curve(name, x, x, y, value)
    return Curves("false_positives", "true_positive_rate", (curve,), 2000.0, steps=True)


def test_a_panel_for_each_curve_ranks_the_results(tmp_path: Path) -> None:
    results = {"worse": pr("easy", "hard", value=0.21), "mine": pr("easy")}
    text = plot_curves(results, tmp_path / "pr.svg").read_text()
    assert text.index("<!-- mine  0.420 -->") < text.index("<!-- worse  0.210 -->")
    assert "<!-- easy -->" in text
    assert "<!-- hard -->" in text
    assert text.count("worse  0.210 -->") == 2


def test_axes_are_in_words_and_a_curve_may_have_no_value(tmp_path: Path) -> None:
    text = plot_curves({"a": roc("continuous", 0.5)}, tmp_path / "roc.svg").read_text()
    assert "<!-- false positives -->" in text
    assert "<!-- a  0.500 -->" in text
    text = plot_curves({"b": pr("easy", value=None)}, tmp_path / "pr.svg").read_text()
    assert "<!-- b -->" in text


def test_curves_of_different_axes_do_not_share_a_figure(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="b has true_positive_rate over false_positives, the fir"):
        plot_curves({"a": pr("easy"), "b": roc("continuous", 0.5)}, tmp_path / "a.svg")


def test_unknown_file_type(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected \.png, \.svg, \.pdf"):
        plot_curves({"a": pr("easy")}, tmp_path / "a")

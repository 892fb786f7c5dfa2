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


def test_a_panel_for_each_curve_ranks_the_results() -> None:
    results = {"worse": pr("easy", "hard", value=0.21), "mine": pr("easy")}
    text = plot_curves(results).render("svg").decode()
    assert text.index("<!-- mine  0.420 -->") < text.index("<!-- worse  0.210 -->")
    assert "<!-- easy -->" in text
    assert "<!-- hard -->" in text
    assert text.count("worse  0.210 -->") == 2


def test_axes_are_in_words_and_a_curve_may_have_no_value() -> None:
    text = plot_curves({"a": roc("continuous", 0.5)}).render("svg").decode()
    assert "<!-- false positives -->" in text
    assert "<!-- a  0.500 -->" in text
    text = plot_curves({"b": pr("easy", value=None)}).render("svg").decode()
    assert "<!-- b -->" in text


def test_curves_of_different_axes_do_not_share_a_figure() -> None:
    with pytest.raises(ConfigError, match="b has true_positive_rate over false_positives, the fir"):
        plot_curves({"a": pr("easy"), "b": roc("continuous", 0.5)})

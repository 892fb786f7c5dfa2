from pathlib import Path

import pandas as pd
import pytest

from nasface.errors import ConfigError
from nasface.plots.evaluation import plot_precision_recall, plot_roc


def pr(*sets: str) -> pd.DataFrame:
    return pd.concat(
        pd.DataFrame({"set": name, "recall": [0.0, 0.1, 0.5], "precision": [0.0, 1.0, 0.8]})
        for name in sets
    )


def test_precision_recall_has_a_panel_for_each_set_and_ranks_the_results(tmp_path: Path) -> None:
    worse = pr("easy", "hard")
    worse["precision"] /= 2
    path = plot_precision_recall({"worse": worse, "mine": pr("easy")}, tmp_path / "pr.svg")
    text = path.read_text()
    # Area: 0.1 at precision 1, then 0.4 at 0.8.
    assert text.index("<!-- mine  0.420 -->") < text.index("<!-- worse  0.210 -->")
    assert "<!-- easy -->" in text
    assert "<!-- hard -->" in text
    assert text.count("worse  0.210 -->") == 2


def test_roc_reads_each_rate_at_the_false_positives_asked_for(tmp_path: Path) -> None:
    full = pd.DataFrame(
        {
            "false_positives": [0, 900, 1500],
            "discontinuous": [0.5, 0.8, 0.9],
            "continuous": [0.4, 0.6, 0.7],
        }
    )
    half = full[["false_positives", "continuous"]] / 2
    text = plot_roc({"a": full, "b": half}, tmp_path / "roc.svg").read_text()
    assert "<!-- a  0.800 -->" in text
    assert "<!-- a  0.600 -->" in text
    assert "<!-- b  0.350 -->" in text
    assert text.count("<!-- b ") == 1
    assert "discontinuous score" in plot_roc({"a": full}, tmp_path / "x.svg", 2000).read_text()


def test_unknown_file_type(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected \.png, \.svg, \.pdf"):
        plot_roc({"a": pd.DataFrame({"false_positives": [0], "continuous": [0.1]})}, tmp_path / "a")

"""Tables of a comparison against hand-made rows."""

from pathlib import Path

import pandas as pd
import pytest
from comparisons import FPN, PAN, plan, row

from nasface.studies.statistics import mean_of
from nasface.studies.tables import summarise, write_tables


def test_summary_against_hand_made_rows(tmp_path: Path) -> None:
    made = plan(Path("faces"), FPN, PAN, seeds=(0, 1, 2))
    values = {"fpn": [0.2, 0.4, 0.3], "pan": [0.3, 0.6, 0.4]}
    rows = [row(label, seed, ap) for label, aps in values.items() for seed, ap in enumerate(aps)]
    summary = summarise(made, rows, tmp_path).set_index("method")
    assert summary.loc["fpn", "ap"] == pytest.approx(0.3)
    assert summary.loc["pan", "difference"] == pytest.approx(0.4 / 3)
    assert summary.loc["pan", "difference_half_95"] == pytest.approx(mean_of([0.1, 0.2, 0.1]).half)
    assert summary.loc["fpn", "regret"] == pytest.approx(0.6 - 0.3)
    assert summary["difference"].isna().tolist() == [True, False]
    text = write_tables(made, rows, tmp_path, 6)
    assert "6 of 6 runs, 3 seeds" in text
    assert "0.433 ± " in text
    assert (tmp_path / "summary.md").read_text() == text
    assert len(pd.read_csv(tmp_path / "runs.csv")) == 6


def test_pairs_are_of_one_seed_and_missing_runs_left_out(tmp_path: Path) -> None:
    made = plan(Path("faces"), FPN, PAN, seeds=(0, 1, 2))
    rows = [row("fpn", 0, 0.1), row("fpn", 2, 0.5), row("pan", 2, 0.6), row("pan", 1, 0.9)]
    summary = summarise(made, rows, tmp_path).set_index("method")
    assert summary.loc["pan", "difference"] == pytest.approx(0.1)
    assert summary.loc["pan", "seeds"] == 2

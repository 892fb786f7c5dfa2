"""Rows, tables and figure of what was measured."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nasface.studies.side_by_side.building import ModelSize
from nasface.studies.side_by_side.figure import plot_models
from nasface.studies.side_by_side.measuring import Measured
from nasface.studies.side_by_side.plan import ComparedModel, ModelsPlan, ReportedFigures
from nasface.studies.side_by_side.results import GroupResult, load_group, rows_of, save_group
from nasface.studies.side_by_side.running import ModelsOutcome
from nasface.studies.side_by_side.tables import write_models_tables

PLAN = ModelsPlan(
    name="two",
    source="a paper",
    models=(
        ComparedModel(
            name="ours",
            model="d0",
            series="S",
            reported=ReportedFigures(milliseconds=10, ap=0.7, parameters_m=1.5),
        ),
        ComparedModel(
            name="theirs",
            model="d1",
            beside="ours",
            reported=ReportedFigures(milliseconds=39, ap=0.6),
        ),
        ComparedModel(name="counted", model="d2", timed=False),
    ),
    rounds=3,
    engines=("torch", "onnxruntime"),
)
SIZES = {each.name: ModelSize(2 * 10**6, 3 * 10**9, 1.0) for each in PLAN.models}
SHARES = {"dense": 0.5, "pointwise": 0.25, "depthwise": 0.125, "other": 0.125}
# The median of the ratios is 2, the ratio of the medians 4.
MEASURED = Measured(
    {"ours": [0.1, 0.2, 0.9], "theirs": [0.2, 0.8, 0.9]}, {"ours": SHARES}, {"theirs": "too large"}
)
ENVIRONMENT = {"started": "2026-11-27 10:00 UTC", "processor": "P", "cores": "2", "torch": "2.13"}


def rows() -> list[dict[str, Any]]:
    result = GroupResult(MEASURED, ENVIRONMENT)
    return rows_of(PLAN, SIZES, {("ours", "torch"): result, ("theirs", "torch"): result})


def test_rows_hold_medians_and_ratios_within_rounds() -> None:
    ours, theirs, counted = rows()
    assert (ours["torch_ms"], ours["torch_ratio"]) == (pytest.approx(200), None)
    assert (theirs["torch_ms"], theirs["torch_ratio"]) == (pytest.approx(800), pytest.approx(2))
    assert theirs["reported_ratio"] == pytest.approx(3.9)
    assert (ours["onnxruntime_ms"], counted["torch_ms"]) == (None, None)
    assert (ours["dense_share"], theirs["dense_share"]) == (0.5, None)
    assert (counted["parameters"], counted["macs"]) == (2 * 10**6, 3 * 10**9)


def test_a_group_is_read_as_it_was_saved(tmp_path: Path) -> None:
    group = PLAN.groups()[0]
    assert load_group(tmp_path, PLAN, group, "torch") is None
    saved = save_group(tmp_path, PLAN, group, "torch", MEASURED)
    assert load_group(tmp_path, PLAN, group, "torch") == saved
    assert saved.environment["threads"]


def test_tables_and_figure(tmp_path: Path) -> None:
    outcome = ModelsOutcome(rows(), [ENVIRONMENT], {("theirs", "onnxruntime"): "too large"})
    text = write_models_tables(PLAN, outcome, tmp_path)
    assert text == (tmp_path / "summary.md").read_text()
    assert "Reported: a paper." in text
    assert "| ours (`d0`) | 2.000 | 1.5 | 3.000 |  | 0.700 |" in text
    assert "| theirs | ours | 39.0 | 3.90 | 800.0 | 2.00 |  |  |" in text
    # 3 * 10^9 in 0.2 s
    assert "| ours | 50% | 25% | 12% | 12% | 15.0 |" in text
    assert "P, 2 core(s), 1 thread(s), torch 2.13, 2026-11-27." in text
    assert "- theirs, onnxruntime: too large" in text
    table = pd.read_csv(tmp_path / "models.csv")
    assert table["torch_ratio"].tolist()[1] == pytest.approx(2)
    figure = plot_models(PLAN, outcome.rows)
    assert figure is not None
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == ["parameters, M", "multiply-adds, G", "ms, torch"]


@pytest.mark.parametrize("theirs", [1.3, 30.0])
def test_every_axis_has_numbers(theirs: float) -> None:
    """Also where the values lie within a power of ten."""
    times = [
        row | {"torch_ms": ms} for row, ms in zip(rows(), (30.0, 30 * theirs, None), strict=True)
    ]
    figure = plot_models(PLAN, times)
    assert figure is not None
    axis = figure.axes[2].xaxis
    left, right = axis.get_view_interval()
    named = [
        *zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True),
        *zip(axis.get_minorticklocs(), axis.get_minorticklabels(), strict=True),
    ]
    assert [at for at, label in named if left <= at <= right and label.get_text()]


def test_a_page_before_the_first_measurement_has_sizes_alone(tmp_path: Path) -> None:
    outcome = ModelsOutcome(rows_of(PLAN, SIZES, {}), [], {})
    text = write_models_tables(PLAN, outcome, tmp_path)
    assert "## Size" in text
    assert "## Time" not in text


def test_without_reported_accuracy_there_is_no_figure() -> None:
    bare = [row | {"reported_ap": None} for row in rows()]
    assert plot_models(PLAN, bare) is None

"""Contrasts and spreads that a plan names."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nasface.errors import ConfigError
from nasface.io.yaml import parse_dataclass
from nasface.metrics.marks import ImageMarks
from nasface.random_streams import further_seed
from nasface.studies.planned import contrast_powers, contrasts, planned_tables, spreads
from nasface.studies.resampling import MARKS, save_marks
from nasface.studies.spec import StudySpec
from nasface.studies.statistics import detectable_effect, runs_needed
from nasface.studies.study_run import runs_of

PLAN = {
    "name": "p",
    "seeds": [0, 1, 2],
    "metric": "ap",
    "methods": [
        {"name": "twice", "strategy": "random", "trainings": 2},
        {"name": "once", "strategy": "random", "seeds": [0, 1, 2, 3]},
    ],
    "contrasts": [["twice", "once"]],
    "spread": [["twice", "once"]],
}


def plan(**changes: Any) -> StudySpec:
    return parse_dataclass(StudySpec, PLAN | changes, "plan", ConfigError)


def rows() -> list[dict[str, Any]]:
    return [
        {
            "label": run.label,
            "seed": run.seed,
            "training": run.training,
            "ap": 0.1 * (run.seed + 1)
            + 0.02 * run.training
            + (0.03 + 0.01 * (run.seed - 1) if run.label == "once" else 0),
        }
        for run in runs_of(plan())
    ]


def test_every_training_has_a_folder_and_a_seed_of_its_own() -> None:
    runs = [run for run in runs_of(plan()) if run.label == "twice"]
    assert [Path(run.path).name for run in runs[:2]] == ["seed-0", "seed-0-training-1"]
    assert all(run.search is not None and run.search.seed == run.seed for run in runs)
    seeds = [run.train.seed for run in runs]
    assert len(set(seeds)) == 6
    assert seeds[:2] == [0, further_seed(0, 1)]


def test_a_contrast_is_over_the_means_of_trainings() -> None:
    """.01 above the first training on average, and .02, .03, .04 below the other row."""
    table = contrasts(plan(), pd.DataFrame(rows()))
    assert table["contrast"].tolist() == ["twice - once"]
    assert table["seeds"].tolist() == [3]
    assert table["difference"].tolist() == pytest.approx([-0.02])
    # -.01, -.02, -.03: t = -.02 / (.01 / sqrt(3)), two degrees of freedom
    assert table["p"].tolist() == table["p_holm"].tolist() == pytest.approx([0.0742], abs=1e-4)
    assert table["pairs_needed"].tolist() == [runs_needed(0.02, 0.01)]


def test_a_contrast_is_resampled_where_every_run_kept_its_marks(tmp_path: Path) -> None:
    """Every image is hit by the one row and missed by the other, whatever is drawn."""
    frame = pd.DataFrame(rows())
    for run in runs_of(plan()):
        hits = np.full(4, run.label == "twice")
        folder = tmp_path / run.path
        folder.mkdir(parents=True)
        ones = np.ones(4, np.int64)
        save_marks(folder, ImageMarks(np.ones(4), hits, np.arange(4), ones, np.array([0.5])))
    table = contrasts(plan(), frame, tmp_path)
    assert table[["low_95", "high_95"]].to_numpy().tolist() == [[1.0, 1.0]]
    (folder / MARKS).unlink()
    (tmp_path / runs_of(plan())[0].path / MARKS).unlink()
    assert contrasts(plan(), frame, tmp_path)["low_95"].tolist() == [None]


def test_the_power_of_a_contrast_is_that_of_the_seeds_that_both_rows_have() -> None:
    (power,) = contrast_powers(plan())
    assert (power.contrast, power.seeds) == ("twice - once", 3)
    assert power.effect == detectable_effect(3)
    twofold = contrast_powers(plan(contrasts=[["twice", "once"], ["once", "twice"]]))
    assert [each.effect for each in twofold] == [detectable_effect(3, level=0.025)] * 2


def test_the_spread_tells_the_random_cells_of_a_seed_apart() -> None:
    values = [[0.5, 0.52], [0.9, 0.91]]
    found = [
        {"label": "once", "seed": 0, "cell": cell, "training": 2 * cell + at, "easy": each}
        for cell, own in enumerate(values)
        for at, each in enumerate(own)
    ]
    made = plan(spread=[["once"]])
    key = made.metric
    table = spreads(made, pd.DataFrame([{**row, key: row["easy"]} for row in found]))
    assert table[["cells", "trainings"]].to_numpy().tolist() == [[2, 4]]
    assert table["sd_trainings"][0] < 0.02 < 0.2 < table["sd_cells"][0]


def test_the_spread_is_of_all_rows_named() -> None:
    table = spreads(plan(), pd.DataFrame(rows()))
    assert table[["cells", "trainings"]].to_numpy().tolist() == [[7, 10]]
    assert table["sd_cells"][0] > 0.05
    assert len(spreads(plan(spread=[["once"]]), pd.DataFrame(rows()))) == 0


def test_tables_are_written(tmp_path: Path) -> None:
    texts = planned_tables(plan(), rows(), tmp_path)
    assert [text.splitlines()[0] for text in texts] == [
        "## Planned contrasts",
        "## Spread of cells and of trainings",
    ]
    assert (tmp_path / "contrasts.csv").is_file()
    assert (tmp_path / "spread.csv").is_file()


@pytest.mark.parametrize(
    "changes",
    [
        {"contrasts": [["twice", "thrice"]]},
        {"spread": [["none"]]},
        {"methods": [{"name": "twice", "strategy": "random", "trainings": 0}]},
    ],
)
def test_strange_plans_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        plan(**changes)

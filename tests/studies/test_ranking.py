"""What ranks cells before they are trained: who is asked about which, and the table."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import write_tiny

from nasface.arch.io import load_search_space, save_genotype
from nasface.io.files import write_text
from nasface.io.strict_json import to_json
from nasface.nas.sampling import random_genotype
from nasface.progress import Silent
from nasface.studies.phases import PREDICTED, RANKED, predict_phase
from nasface.studies.ranking import rank_markdown, rank_phases, ranks
from nasface.studies.spec import MethodSpec, StudySpec
from nasface.studies.study_run import StudyRun, runs_of

SMALL: dict[str, Any] = {
    "batch_size": 2,
    "detector": {"channels": 8, "head_layers": 1, "extra_channels": [16, 16]},
    "augment": {"size": 64},
}
PLAN = StudySpec(
    name="p",
    seeds=(0, 1, 2),
    search={"space": "autofem2-cpm", **SMALL},
    train=SMALL,
    methods=(
        MethodSpec(name="random", strategy="random", trainings=2),
        MethodSpec(name="supernet", strategy="random-search", seeds=(0,)),
        MethodSpec(
            name="quarter", strategy="uniform", seeds=(0,), search={"parameters": {"partial": 4}}
        ),
        MethodSpec(
            name="sums", strategy="uniform", seeds=(0,), search={"parameters": {"combine": "sum"}}
        ),
    ),
    rank=("supernet", "quarter", "sums", "macs", "synflow", "zico"),
)


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    """The folder of a comparison whose runs have cells, and their rows."""
    rows = []
    for at, run in enumerate(runs_of(PLAN)):
        assert run.search is not None
        space = load_search_space(run.search.space, run.search.parameters)
        seed = run.seed if run.strategy == "random" else 100 + at
        (tmp_path / run.path).mkdir(parents=True)
        save_genotype(random_genotype(space, seed), tmp_path / run.path / "genotype.yaml")
        rows.append(
            {
                "label": run.label,
                "seed": run.seed,
                "training": run.training,
                "ap": 0.1 * run.seed + 0.04 * run.training + 0.3 * (run.strategy != "random"),
                "macs": 10 - run.seed,
            }
        )
    return tmp_path, rows


def asked(out: Path, run: StudyRun, file: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((out / run.path / file).read_text())
    return found


def test_each_supernet_is_asked_about_the_cells_of_its_space_once(
    trained: tuple[Path, list[dict[str, Any]]],
) -> None:
    """Three random cells, trained twice, and those of the three supernets; only two of all six are
    sums alone."""
    out, _ = trained
    tasks = rank_phases(PLAN, out, runs_of(PLAN))
    assert [(run.method, *phases) for run, phases in tasks] == [
        ("supernet", "rank"),
        ("quarter", "rank"),
        ("sums", "rank"),
        ("random", "predict"),
    ]
    counts = [len(asked(out, run, "cells.json")["cells"]) for run, _ in tasks[:3]]
    assert counts == [6, 6, 1]
    predicted = asked(out, tasks[3][0], "predict-cells.json")
    assert len(predicted["cells"]) == 6
    assert predicted["by"] == ["synflow", "zico"]


def test_a_supernet_whose_cell_is_trained_twice_is_asked_once(tmp_path: Path) -> None:
    twice = replace(PLAN.methods[1], trainings=2)
    plan = replace(PLAN, methods=(twice,), rank=("supernet",))
    first, second = runs_of(plan)
    for run in (first, second):
        (tmp_path / run.path).mkdir(parents=True)
        genotype = random_genotype(load_search_space("autofem2-cpm"), 0)
        save_genotype(genotype, tmp_path / run.path / "genotype.yaml")
    assert [run.path for run, _ in rank_phases(plan, tmp_path, [first, second])] == [first.path]


def test_an_answer_for_other_cells_is_put_away(trained: tuple[Path, list[dict[str, Any]]]) -> None:
    out, _ = trained
    run = rank_phases(PLAN, out, runs_of(PLAN))[0][0]
    result = out / run.path / RANKED
    result.write_text("{}")
    rank_phases(PLAN, out, runs_of(PLAN))
    assert result.is_file()
    space = load_search_space("autofem2-cpm")
    save_genotype(random_genotype(space, 77), out / runs_of(PLAN)[0].path / "genotype.yaml")
    rank_phases(PLAN, out, runs_of(PLAN))
    assert not result.exists()


def test_the_table_by_hand(trained: tuple[Path, list[dict[str, Any]]]) -> None:
    """Random cells reach .02, .12 and .22 on average; scores of the supernet are 1, 3, 2 for them
    and 4 for the others, which reach .3."""
    out, rows = trained
    for run, phases in rank_phases(PLAN, out, runs_of(PLAN)):
        if "rank" not in phases or run.method != "supernet":
            continue
        scores = {}
        for path in asked(out, run, "cells.json")["cells"]:
            place = (out / run.path / path).resolve().relative_to(out.resolve())
            is_random = place.parts[1] == "random"
            scores[path] = {"0": 1.0, "1": 3.0, "2": 2.0}[place.parts[2][5]] if is_random else 4.0
        write_text(out / run.path / RANKED, to_json(scores))
    table = ranks(PLAN, rows, out)
    assert table["by"].tolist() == ["supernet", "macs"]
    assert table["cells"].tolist() == [6, 6]
    assert table["random_cells"].tolist() == [3, 3]
    ranked = [np.array(each) for each in ([1, 3, 2, 5, 5, 5], [1, 2, 3, 5, 5, 5])]
    assert table["rho"][0] == pytest.approx(np.atleast_2d(np.corrcoef(np.stack(ranked)))[0, 1])
    assert table["random_rho"].tolist() == pytest.approx([0.5, -1.0])
    assert "| supernet | 0 | 6 |" in rank_markdown(table)
    assert "| macs |  | 6 |" in rank_markdown(table)


def test_predictions_are_of_the_detectors_that_are_trained(
    trained: tuple[Path, list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    out, rows = trained
    data = write_tiny(tmp_path_factory.mktemp("data"))
    plan = StudySpec(
        name="p",
        seeds=(0, 1),
        data=str(data),
        search=PLAN.search,
        train=PLAN.train,
        methods=(MethodSpec(name="random", strategy="random", trainings=2),),
        rank=("synflow", "naswot", "zico"),
    )
    ((run, _),) = rank_phases(plan, out, runs_of(plan))
    assert predict_phase(run, out / run.path, Silent())
    found = asked(out, run, PREDICTED)
    assert set(found) == {"synflow", "naswot", "zico"}
    for name, values in found.items():
        assert len(set(values.values())) == 2, name
        assert all(np.isfinite(value) for value in values.values())
    assert ranks(plan, rows, out)["cells"].tolist() == [2, 2, 2]

"""The cells that a run takes: by a latency limit, by training, by a supernet, at random."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from comparisons import plan
from tiny import DETECTOR as TINY
from tiny import write_tiny

from nasface.arch.io import load_genotype, load_search_space
from nasface.detection.config import DetectorConfig
from nasface.detection.latency import (
    LatencyEntry,
    LatencyTable,
    save_latency_table,
    space_parts,
    trunk_part,
)
from nasface.errors import ConfigError
from nasface.io.yaml import plain_values
from nasface.nas.sampling import random_genotype
from nasface.progress import Silent
from nasface.studies.limits import LatencyLimit
from nasface.studies.one_shot import OneShotScorer
from nasface.studies.phases import search_phase, within
from nasface.studies.spec import MethodSpec, StudySpec
from nasface.studies.study_run import runs_of

DETECTOR = DetectorConfig(channels=8, levels=(3, 4, 5))
SIZE = (96, 64)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("data"))


def test_a_band_of_latency(tmp_path: Path) -> None:
    """Every part takes a time of its own."""
    space = load_search_space("autofem2-cpm", levels="3-5")
    parts = [trunk_part(DETECTOR, SIZE), *space_parts(space, 8, SIZE)]
    entries = tuple(LatencyEntry(part, 1.5 + at) for at, part in enumerate(parts))
    table = LatencyTable(1, "torch", "here", 1, SIZE, DETECTOR, entries)
    path = tmp_path / "latency.yaml"
    save_latency_table(table, path)
    cells = [random_genotype(space, seed) for seed in range(20)]
    times = sorted(map(table.predict, cells))
    limit = LatencyLimit(table=str(path), milliseconds=times[14], at_least=times[6])
    allowed = within(limit, DETECTOR)
    kept = [cell for cell in cells if allowed(cell)]
    assert kept == [cell for cell in cells if times[6] <= table.predict(cell) <= times[14]]
    assert 0 < len(kept) < 20
    with pytest.raises(ConfigError, match="another detector"):
        within(limit, replace(DETECTOR, channels=16))


@pytest.mark.parametrize("values", [(0.0, 0.0), (5.0, 5.0), (5.0, -1.0), (float("inf"), 0.0)])
def test_bands_without_width_are_refused(values: Any) -> None:
    with pytest.raises(ConfigError, match=r"limit: |milliseconds: is inf"):
        LatencyLimit(table="t", milliseconds=values[0], at_least=values[1])


@pytest.mark.parametrize("strategy", ["random-trained", "halving"])
def test_the_cell_of_the_best_training_is_kept(strategy: str, tmp_path: Path) -> None:
    """The method's number of candidates goes over the plan's."""
    common = {"detector": plain_values(TINY), "augment": {"size": 64}, "batch_size": 2}
    made = StudySpec(
        name="p",
        seeds=(4,),
        data=str(write_tiny(tmp_path / "data", train=10)),
        candidates=16,
        methods=(MethodSpec(name="m", strategy=strategy, candidates=2),),
        search={"space": "autofem-cpm", "parameters": {"nodes": 4}, **common},
        train={"epochs": 1, **common},
    )
    (run,) = runs_of(made)
    folder = tmp_path / "run"
    folder.mkdir()
    assert search_phase(run, folder, Silent())
    trained = sorted((folder / strategy / "round-0").iterdir())
    assert len(trained) == 2
    scores = [json.loads((each / "score.json").read_text())["ap"] for each in trained]
    best = trained[scores.index(max(scores))]
    found = load_genotype(folder / "genotype.yaml")
    assert found.cells == load_genotype(best / "genotype.yaml").cells
    assert found.cells in [
        random_genotype(load_search_space("autofem-cpm", nodes=4), 4, at).cells for at in (1, 2)
    ]
    assert json.loads((folder / "search.json").read_text())["search_seconds"] > 0


def test_numbers_of_candidates_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="methods: m: candidates 0, expected 1 or more"):
        StudySpec(
            name="p", seeds=(0,), methods=(MethodSpec(name="m", strategy="halving", candidates=0),)
        )


def test_methods_with_one_search_share_its_supernet(data: Path, tmp_path: Path) -> None:
    """And random search takes the cell that this supernet likes best."""
    methods = [
        MethodSpec(name=name, strategy=name, nodes=(4,)) for name in ("random-search", "evolution")
    ]
    best, evolved = runs_of(plan(data, *methods, candidates=3))
    folders = {run.label: tmp_path / run.path for run in (best, evolved)}
    # Whichever comes first trains it, in the folder of the first.
    for run in (evolved, best):
        folders[run.label].mkdir(parents=True, exist_ok=True)
        assert search_phase(run, folders[run.label], Silent())
    assert [each.parent for each in tmp_path.rglob("search")] == [folders[best.label]]
    seconds = json.loads((folders[best.label] / "search/summary.json").read_text())["seconds"]
    score = OneShotScorer(folders[best.label] / "search", str(data))
    for folder in folders.values():
        assert json.loads((folder / "search.json").read_text())["search_seconds"] > seconds
    cells = [random_genotype(score.search.space, best.seed, at) for at in (1, 2, 3)]
    scores = [score(cell) for cell in cells]
    assert load_genotype(folders[best.label] / "genotype.yaml").cells == (
        cells[scores.index(max(scores))].cells
    )
    assert score(load_genotype(folders[evolved.label] / "genotype.yaml")) < 0


def test_a_seed_may_have_several_random_cells(data: Path, tmp_path: Path) -> None:
    several = MethodSpec(name="random", strategy="random", nodes=(4,), cells=2, trainings=2)
    runs = runs_of(plan(data, several))
    found = []
    for run in runs:
        folder = tmp_path / run.path
        folder.mkdir(parents=True)
        assert search_phase(run, folder, Silent())
        found.append(load_genotype(folder / "genotype.yaml").cells)
    assert found[0] == found[1] != found[2] == found[3]
    assert found[0] == random_genotype(load_search_space("autofem-cpm", nodes=4), 0).cells
    assert len({run.train.seed for run in runs}) == 4

"""The cells that a plan's latency limit lets through, and those that it chooses by training."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
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
from nasface.studies.phases import search_phase, within
from nasface.studies.spec import MethodSpec, StudySpec, runs_of

DETECTOR = DetectorConfig(channels=8, levels=(3, 4, 5))
SIZE = (96, 64)


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
    plan = StudySpec(
        name="p",
        seeds=(4,),
        data=str(write_tiny(tmp_path / "data", train=10)),
        candidates=16,
        methods=(MethodSpec(name="m", strategy=strategy, candidates=2),),
        search={"space": "autofem-cpm", "parameters": {"nodes": 4}, **common},
        train={"epochs": 1, **common},
    )
    (run,) = runs_of(plan)
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

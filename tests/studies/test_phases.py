"""The cells that a plan's latency limit lets through."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nasface.arch.io import load_search_space
from nasface.detection.config import DetectorConfig
from nasface.detection.latency import (
    LatencyEntry,
    LatencyTable,
    save_latency_table,
    space_parts,
    trunk_part,
)
from nasface.errors import ConfigError
from nasface.nas.sampling import random_genotype
from nasface.studies.limits import LatencyLimit
from nasface.studies.phases import within

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
    with pytest.raises(ConfigError, match="limit: "):
        LatencyLimit(table="t", milliseconds=values[0], at_least=values[1])

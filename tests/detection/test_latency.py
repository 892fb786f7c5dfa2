"""Latency tables: what a detector is made of, predictions by hand, files."""

from dataclasses import replace
from pathlib import Path

import pytest

from nasface.arch.io import load_search_space
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost_penalty
from nasface.detection.latency import (
    LatencyEntry,
    LatencyPart,
    LatencyTable,
    genotype_parts,
    load_latency_table,
    save_latency_table,
    space_parts,
    trunk_part,
)
from nasface.errors import ConfigError
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.sampling import random_genotype

DETECTOR = DetectorConfig(channels=8, levels=(3, 4, 5))
SIZE = (96, 64)


def table_of(
    space_name: str = "autofem2", factor: float = 1.0, **parameters: str | int
) -> LatencyTable:
    """Every operation takes as many milliseconds as its map has rows, the trunk 100."""
    space = load_search_space(space_name, {"levels": "3-5", **parameters})
    parts = [trunk_part(DETECTOR, SIZE), *space_parts(space, 8, SIZE)]
    times = {"trunk": 100.0, "operation": 1.0, "transform": 0.5, "combine": 0.25}
    times |= {"entry": 0.0, "projection": 0.0}
    entries = tuple(
        LatencyEntry(p, times[p.kind] * (1 if p.kind == "trunk" else p.height)) for p in parts
    )
    return LatencyTable(1, "torch", "here", 1, SIZE, DETECTOR, entries, factor)


def test_parts_of_a_cell_by_hand() -> None:
    """n2 of a cell at level 4 joins two edges; maps are 4 x 6, as 64 x 96 over 16."""
    space = load_search_space("autofem2-cpm", levels="3-5", nodes=2)
    genotype = random_genotype(space, 0)
    cell = genotype.cells["cpm_c4"]
    parts = list(genotype_parts(replace(genotype, cells={"cpm_c4": cell}), 8, SIZE))
    operations = [part.name for part in parts if part.kind == "operation"]
    assert operations == [edge.operation for node in cell.nodes for edge in node.edges]
    assert {(part.height, part.width, part.channels) for part in parts} == {(4, 6, 8)}
    assert [part.inputs for part in parts if part.kind == "combine"] == [1, 2]
    assert [part.inputs for part in parts if part.kind == "projection"] == [
        len(cell.outputs[0].sources)
    ]


def test_the_parts_of_a_space_hold_those_of_its_genotypes() -> None:
    table = table_of()
    space = load_search_space("autofem2", levels="3-5")
    for seed in range(10):
        genotype = random_genotype(space, seed)
        cells = sum(table.of_cell(genotype, cell) for cell in genotype.cells)
        assert table.predict(genotype) == pytest.approx(100 + cells)
        doubled = replace(table, factor=2.0)
        assert doubled.predict(genotype) == pytest.approx(100 + 2 * cells)


def test_parts_of_a_narrow_cell_by_hand() -> None:
    """From 8 channels to 2 and back; other cells have the parts that they had."""
    space = load_search_space("autofem2-cpm", levels="3-5", nodes=2, width="any")
    genotype = random_genotype(space, 0)
    cell = replace(genotype.cells["cpm_c4"], width=0.25)
    parts = list(genotype_parts(replace(genotype, cells={"cpm_c4": cell}), 8, SIZE))
    entry, *nodes, projection = parts
    assert (entry.kind, entry.channels, entry.outputs) == ("entry", 8, 2)
    assert (projection.kind, projection.channels, projection.outputs) == ("projection", 2, 8)
    assert {(part.channels, part.outputs) for part in nodes} == {(2, 0)}
    table = table_of("autofem2-cpm", nodes=2, width="any")
    for seed in range(10):  # which raises an error where a part was not measured
        assert table.predict(random_genotype(space, seed)) > 100


def test_the_penalty_by_latency_follows_the_width() -> None:
    """Each operation takes 1 ms a row, the way into a narrow cell 2 and the way out 3."""
    space = load_search_space("autofem2", levels="3-5", nodes=2, width="any")
    parts = [trunk_part(DETECTOR, SIZE), *space_parts(space, 8, SIZE)]
    times = {"operation": 1, "entry": 2, "projection": 3, "trunk": 0, "transform": 0, "combine": 0}
    entries = tuple(LatencyEntry(p, float(times[p.kind] * p.height)) for p in parts)
    table = LatencyTable(1, "torch", "here", 1, SIZE, DETECTOR, entries)
    penalty = detector_cost_penalty(DETECTOR, space, (64, 96), table)
    parameters = ArchitectureParameters(space)
    for alpha in parameters.alpha.values():
        alpha.data[:] = 0
        alpha.data[:, space.operations.index("dense_3x3")] = 1e6
    rules = parameters.tables["cpm_c3"].rules
    found = {}
    for width in ("1", "0.5", "0.25", "0"):
        parameters.gamma["cpm_c3"].data[:] = 0
        parameters.gamma["cpm_c3"].data[:, rules.names.index(width)] = 1e6
        found[width] = float(penalty.expected(parameters).detach())
    # n1 and n2 keep 1 and 2 edges, on maps of 8, 4 and 2 rows
    assert found["1"] - found["0"] == pytest.approx((3 + 3) * (8 + 4 + 2))
    assert found["0.5"] == found["0.25"] == pytest.approx(found["1"] + 2 * (8 + 4 + 2))


def test_resampled_edges_cost_both_parts() -> None:
    table = table_of("autofem2-fpn")
    space = load_search_space("autofem2-fpn", levels="3-5")
    parts = list(genotype_parts(random_genotype(space, 1), 8, SIZE))
    transforms = sorted((p.name, p.height) for p in parts if p.kind == "transform")
    assert transforms == [("down2", 2), ("down2", 4), ("up2", 4), ("up2", 8)]
    assert table.time_of(LatencyPart("operation", "skip", 4, 6, 8)) == 0


def test_what_was_not_measured_is_refused() -> None:
    with pytest.raises(ConfigError, match="name conv_1x3_3x1, height 4"):
        table_of().time_of(LatencyPart("operation", "conv_1x3_3x1", 4, 6, 8))
    with pytest.raises(ConfigError, match="expected the detector of the settings at 96x64"):
        table_of().check_made_for(replace(DETECTOR, head_layers=1), SIZE)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    table = table_of(factor=1.5)
    save_latency_table(table, tmp_path / "table.yaml")
    assert load_latency_table(tmp_path / "table.yaml") == table


def test_the_penalty_by_latency_is_the_prediction_for_a_decided_search() -> None:
    """With choices of certainty, what is expected differs from the prediction for the genotype by
    its combine rules and projections only."""
    table = table_of("autofem2-cpm", factor=1.25)
    space = load_search_space("autofem2-cpm", levels="3-5")
    penalty = detector_cost_penalty(DETECTOR, space, (64, 96), table)
    parameters = ArchitectureParameters(space)
    parameters.alpha["cpm_c3"].data[:] = 0
    parameters.alpha["cpm_c3"].data[:, space.operations.index("dense_3x3")] = 1e6
    # 1 + 3 x 2 edges of 1 ms a row, on maps of 8, 4 and 2 rows
    fixed = penalty.fixed
    found = float(penalty.expected(parameters).detach())
    assert found - fixed == pytest.approx(1.25 * 7 * (8 + 4 + 2))

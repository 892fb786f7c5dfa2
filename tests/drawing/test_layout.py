"""Whether drawings are legible, by geometry: nothing lies on anything else."""

import re
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import spaces
from tiny import tiny_genotype

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype, packaged_names
from nasface.arch.space import SearchSpace
from nasface.drawing.graph import cell_graph
from nasface.drawing.layout import columns
from nasface.drawing.sheet import comparison_sheet, genotype_sheet
from nasface.nas.sampling import random_genotype

POINTS = 72
NAMES = packaged_names("nasface.genotypes")
PAIRS = [
    ("darts_v1", "darts_v2"),
    ("pc_darts_cifar", "pc_darts_image"),
    ("autofem-quickstart", "autofem-widerface"),
    ("darts_v1", "asfd-ref"),
]


@dataclass(frozen=True)
class Box:
    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: "Box") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.bottom < other.top and other.bottom < self.top

    def holds(self, points_N2: NDArray[np.floating], margin: float) -> NDArray[np.bool_]:
        x, y = points_N2.T
        inside: NDArray[np.bool_] = (
            (x > self.left - margin)
            & (x < self.right + margin)
            & (y > self.bottom - margin)
            & (y < self.top + margin)
        )
        return inside


def boxes_of(sheet: Any) -> dict[str, Box]:
    """The boxes of vertices and labels, by their names; not of text that stands alone."""
    boxes = {}
    for node in sheet.nodes():
        if node.attr["width"]:
            x, y = (float(each) for each in node.attr["pos"].split(","))
            half_x, half_y = (POINTS * float(node.attr[side]) / 2 for side in ("width", "height"))
            boxes[str(node)] = Box(x - half_x, y - half_y, x + half_x, y + half_y)
    return boxes


def points_of(edge: Any) -> NDArray[np.floating]:
    """Points along an edge's Bezier curves, with its arrow head, (N, 2)."""
    parts = re.findall(r"([es],)?([-\d.]+),([-\d.]+)", edge.attr["pos"])
    end = [(float(x), float(y)) for kind, x, y in parts if kind]
    control = np.array([(float(x), float(y)) for kind, x, y in parts if not kind])
    t = np.linspace(0, 1, 33)[:, None]
    curves = [
        (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
        for a, b, c, d in (control[at : at + 4] for at in range(0, len(control) - 1, 3))
    ]
    return np.concatenate([*curves, np.array(end).reshape(-1, 2)])


def check(sheet: Any) -> None:
    boxes = boxes_of(sheet)
    for (a, one), (b, other) in combinations(boxes.items(), 2):
        assert not one.overlaps(other), (a, b)
    curves = {}
    for edge in sheet.edges():
        points = points_of(edge)
        curves[edge.name] = points
        for name, box in boxes.items():
            if name in edge:
                # An arrow touches what it joins, so a label lies on its line.
                assert box.holds(points, 8).any(), (name, edge)
            else:
                assert not box.holds(points, 0).any(), (name, edge)
    for (a, first), (b, second) in combinations(curves.items(), 2):
        if len(first) == len(second):
            assert abs(first - second).max() > 2, (a, b)


@pytest.mark.parametrize("name", NAMES)
def test_packaged_genotypes_are_legible(name: str) -> None:
    check(genotype_sheet(load_genotype(name)))


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_comparisons_are_legible(first: str, second: str) -> None:
    check(comparison_sheet(load_genotype(first), load_genotype(second)))


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["autofem-cpm", "darts"]), st.integers(0, 10**6))
def test_any_genotype_is_legible(space: str, seed: int) -> None:
    check(genotype_sheet(tiny_genotype(space, seed)))


@settings(max_examples=25, deadline=None)
@given(spaces(), st.integers(0, 10**6))
def test_genotypes_of_any_space_are_laid_out(space: SearchSpace, seed: int) -> None:
    boxes = boxes_of(genotype_sheet(random_genotype(space, seed)))
    for (a, one), (b, other) in combinations(boxes.items(), 2):
        assert not one.overlaps(other), (a, b)


def columns_of(genotype: Genotype, cell: str) -> dict[str, int]:
    return columns(*cell_graph(genotype.cells[cell]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_a_column_is_the_longest_path_to_it(seed: int) -> None:
    genotype = tiny_genotype("darts", seed)
    for cell, gene in genotype.cells.items():
        expected = {each.name: 0 for each in gene.inputs}
        for node in gene.nodes:
            expected[node.name] = 1 + max(expected[edge.source] for edge in node.edges)
        output = f"output {gene.outputs[0].level}"
        expected[output] = 1 + max(expected.values())
        assert columns_of(genotype, cell) == expected


def test_levels_are_rows_and_what_differs_by_number_is_a_column() -> None:
    genotype = load_genotype("asfd-ref")
    found = columns_of(genotype, "fpn")
    assert found["td2"] == found["td6"] == 2
    boxes = boxes_of(genotype_sheet(genotype))
    for row in (("f7", "down7", "bu7", "out7"), ("f4", "up4", "td4", "bu4", "out4", "output 4")):
        middles = [(boxes[f"fpn.{name}"].bottom + boxes[f"fpn.{name}"].top) / 2 for name in row]
        assert max(middles) - min(middles) < 2, row
    tops = [boxes[f"fpn.f{level}"].top for level in range(2, 8)]
    assert tops == sorted(tops)

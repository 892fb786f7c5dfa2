"""Whether pictures are legible, by geometry: nothing lies on anything else."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_genotype

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype, packaged_names
from nasface.drawing.page import CellPicture, comparison_sheet, genotype_sheet
from nasface.drawing.routing import Box, label_box, vertex_box


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def boxes_of(cell: CellPicture) -> dict[str, Box]:
    return {each.name: vertex_box(each, cell.places[each.name]) for each in cell.vertices}


def check_vertices(cell: CellPicture) -> None:
    for a, b in combinations(boxes_of(cell).values(), 2):
        assert not overlap(a, b)


def check_arrows(cell: CellPicture) -> None:
    """No arrow runs through a vertex that is not its own, and none hides another."""
    boxes = boxes_of(cell)
    for route in cell.routes:
        for name, (left, bottom, right, top) in boxes.items():
            if name in (route.arrow.source, route.arrow.target):
                continue
            for x, y in route.points:
                assert not (left < x < right and bottom < y < top), (cell.name, name, route.arrow)
    for one, other in combinations(cell.routes, 2):
        assert abs(one.points - other.points).max() > 0.05, (one.arrow, other.arrow)


def check_labels(cell: CellPicture) -> None:
    """No label covers a vertex or another label."""
    labels = [label_box(r.arrow.label, r.label) for r in cell.routes if r.arrow.label]
    for a, b in combinations(labels, 2):
        assert not overlap(a, b), cell.name
    for label in labels:
        assert not any(overlap(label, box) for box in boxes_of(cell).values()), cell.name


@pytest.mark.parametrize("name", packaged_names("nasface.genotypes"))
def test_packaged_genotypes_are_legible(name: str) -> None:
    for cell, _ in genotype_sheet(load_genotype(name)).cells:
        check_vertices(cell)
        check_arrows(cell)
        check_labels(cell)


@pytest.mark.parametrize(
    ("first", "second"),
    [("darts_v1", "darts_v2"), ("autofem-quickstart", "autofem-widerface")],
)
def test_comparisons_are_legible(first: str, second: str) -> None:
    for cell, _ in comparison_sheet(load_genotype(first), load_genotype(second)).cells:
        check_vertices(cell)
        check_arrows(cell)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["autofem-cpm", "darts"]), st.integers(0, 10**6))
def test_vertices_of_any_genotype_are_apart(space: str, seed: int) -> None:
    genotype: Genotype = tiny_genotype(space, seed)
    for cell, _ in genotype_sheet(genotype).cells:
        check_vertices(cell)

"""Genotypes in random Python files and logs, against Python itself, which runs the same text."""

import random
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nasface.arch.darts_format import DARTS_OPERATIONS
from nasface.arch.genotype_text import GenotypeText, read_genotype_text
from nasface.errors import SpecError

Cell = tuple[list[list[tuple[str, int]]], list[int]]
"""Operation and source per pair, concatenated nodes."""
NAMES = ("A", "b_1", "FOUND", "DARTS_V2", "Best")
KEYS = ("best", "CIFAR-10", "0", "x y", "last")


def render_cell(cell: Cell, draw: random.Random) -> tuple[str, str]:
    """A cell in one of the forms that are in use: pairs and concatenated nodes."""
    nodes, concat = cell
    form = draw.choice(["flat", "groups", "values", "edges", "turned edges"])
    pairs = []
    for at, node in enumerate(nodes):
        group = []
        for operation, source in node:
            name = draw.choice(["{!r}", "np.str_({!r})"]).format(operation)
            number = draw.choice(["{}", "np.int64({})", "int({})"]).format(source)
            parts = {
                "values": [name, number, draw.choice(["0.25", "np.float32(.5)", "x"])],
                "edges": [name, number, str(at + 2)],
                "turned edges": [name, str(at + 2), number],
            }.get(form, [name, number])
            group.append(
                draw.choice(["({})", "[{}]"]).format(draw.choice([", ", ",\n  "]).join(parts))
            )
        pairs.append(draw.choice(["({})", "[{}]"]).format(", ".join(group)))
        if form != "groups":
            pairs[-1] = pairs[-1][1:-1]
    text = "[" + draw.choice([", ", ",  # next (node\n   "]).join(pairs) + "]"
    whole = concat == list(range(concat[0], concat[-1] + 1))
    first, last = concat[0], concat[-1] + 1
    forms = [f"{concat}", f"{tuple(concat)}"]
    forms += [f"range({first}, {last})", f"list(range({first}, {last}))"] if whole else []
    return text, draw.choice(forms)


def render(cells: tuple[Cell, Cell], seed: int) -> str:
    draw = random.Random(seed)
    (normal, normal_concat), (reduce, reduce_concat) = (render_cell(cell, draw) for cell in cells)
    values = [normal, normal_concat, reduce, reduce_concat]
    names = ["normal", "normal_concat", "reduce", "reduce_concat"]
    fields = [f"{name}={value}" for name, value in zip(names, values, strict=True)]
    fields += draw.choice([[], [], ["layout='cell'"], ["connects=None"]])
    if draw.random() < 0.2:
        return f"Genotype({', '.join(values)})"
    draw.shuffle(fields)
    return f"Genotype{draw.choice(['', ' '])}({', '.join(fields)})"


@st.composite
def drawn_cells(draw: st.DrawFn) -> Cell:
    count = draw(st.integers(1, 5))
    operation = st.sampled_from(sorted(DARTS_OPERATIONS))
    nodes = [
        [(draw(operation), draw(st.integers(0, at + 1))) for _ in range(2)] for at in range(count)
    ]
    concat = draw(st.sets(st.integers(2, count + 1), min_size=1))
    return nodes, sorted(concat)


@st.composite
def python_files(draw: st.DrawFn) -> str:
    """Assignments, other names of what is there, containers, comments and strings."""
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        texts = [
            render(draw(st.tuples(drawn_cells(), drawn_cells())), draw(st.integers(0, 10**6)))
            for _ in range(draw(st.integers(1, 3)))
        ]
        name, other = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
        keys = draw(st.permutations(KEYS))
        pairs = ", ".join(f"{key!r}: {text}" for key, text in zip(keys, texts, strict=False))
        lines += draw(
            st.sampled_from(
                [
                    [f"{name} = {texts[0]}"],
                    [f"{name} = {other} = {texts[0]}"],
                    [f"{name} = {{{pairs}}}"],
                    [f"{name} = [{', '.join(texts)}]"],
                    [f"{name} = [{{{pairs}}}, {texts[0]}]"],
                    [f"{name} = {texts[0]}", f"{other} = {name}"],
                    ["# OLD = " + texts[0].replace("\n", " ")],
                    [f"if True:\n    {name} = {texts[0]}"],
                ]
            )
        )
    return "\n".join([*lines, "import math"])


def slow_cell(pairs: Sequence[Any], concat: Sequence[int]) -> Cell:
    """The nodes of a cell that Python has evaluated, read in the plainest way."""
    grouped = not isinstance(pairs[0][0], str)
    flat = [tuple(pair) for pair in (chain(*pairs) if grouped else pairs)]
    if all(len(pair) == 3 and isinstance(pair[2], int | np.integer) for pair in flat):
        ends = [(pair[0], *sorted(map(int, pair[1:]))) for pair in flat]
        last = max(node for _, _, node in ends)
        nodes = [[(op, s) for op, s, n in ends if n == node] for node in range(2, last + 1)]
    elif grouped:
        nodes = [[(pair[0], int(pair[1])) for pair in group] for group in pairs]
    else:
        two = [(pair[0], int(pair[1])) for pair in flat]
        nodes = [two[at : at + 2] for at in range(0, len(two), 2)]
    return nodes, [int(each) for each in concat]


def slow_reading(text: str) -> dict[str, tuple[Cell, Cell]]:
    """Name -> cells, by letting Python run a file of ours."""

    class Genotype:
        def __init__(self, *values: Any, **fields: Any) -> None:
            names = ("normal", "normal_concat", "reduce", "reduce_concat")
            given = dict(zip(names, values, strict=False)) | fields
            self.cells = (
                slow_cell(given["normal"], given["normal_concat"]),
                slow_cell(given["reduce"], given["reduce_concat"]),
            )

    found: dict[str, tuple[Cell, Cell]] = {}

    def look(name: str, value: Any) -> None:
        if isinstance(value, Genotype):
            found[name] = value.cells
        elif isinstance(value, dict):
            for key, each in value.items():
                look(f"{name}.{key}", each)
        elif isinstance(value, list):
            for at, each in enumerate(value):
                look(f"{name}.{at}" if len(value) > 1 else name, each)

    scope: dict[str, Any] = {"Genotype": Genotype, "np": np, "x": None}
    exec(text, scope)
    for name in NAMES:
        look(name, scope.get(name))
    return found


def cells_of(found: GenotypeText) -> dict[str, tuple[Cell, Cell]]:
    """Name -> cells in the words of DARTS."""
    words = {here: there for there, here in DARTS_OPERATIONS.items()}
    result = {}
    for name, genotype in found.genotypes.items():
        both = []
        for cell in (genotype.cells["normal"], genotype.cells["reduce"]):
            index = ["c0", "c1", *(node.name for node in cell.nodes)].index
            nodes = [
                [(words[edge.operation], index(edge.source)) for edge in node.edges]
                for node in cell.nodes
            ]
            both.append((nodes, [index(each) for each in cell.outputs[0].sources]))
        result[name] = (both[0], both[1])
    return result


@given(python_files())
def test_python_files_against_python(text: str) -> None:
    expected = slow_reading(text)
    if not expected:
        return
    found = read_genotype_text(text, "t")
    read = cells_of(found)
    # A container that a later line replaces leaves names of its own behind, which Python forgets.
    assert {name: read[name] for name in expected} == expected
    assert all(entry.genotype is not None for entry in found.entries)


@given(st.lists(st.tuples(drawn_cells(), drawn_cells()), min_size=1, max_size=6), st.data())
def test_logs_against_python(cells: list[tuple[Cell, Cell]], data: st.DataObject) -> None:
    before = st.sampled_from(
        ["genotype = ", "2019-10-10 10:00:00,123 genotype = ", "don't ) ", "| "]
    )
    texts = [render(each, data.draw(st.integers(0, 10**6))) for each in cells]
    log = "\n".join(f"epoch {at} {data.draw(before)}{text}" for at, text in enumerate(texts))
    found = read_genotype_text(log, "t")
    assert len(found.entries) == len(cells)
    assert cells_of(found)["genotype"] == slow_reading(f"A = {texts[-1]}")["A"]


@given(st.text(alphabet="Genotype(normal=[('skip_connect', 01)], rd)\n{}#'\""))
def test_no_text_does_more_than_fail(text: str) -> None:
    for whole in (f"Genotype({text}", text, f"Genotype(normal={text}", f"{{'normal': {text}"):
        try:
            found = read_genotype_text(whole, "t")
        except SpecError:
            continue
        assert found.entries

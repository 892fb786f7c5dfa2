"""Cells in NAS-Bench-201's string form, read into a space that has such a cell."""

from itertools import product
from pathlib import Path

import pytest

from nasface.arch.genotype_text import read_genotype_text
from nasface.arch.io import check_membership, load_genotype, load_search_space
from nasface.arch.nasbench201_format import NASBENCH201_OPERATIONS
from nasface.arch.space import SearchSpace
from nasface.cli.main import main
from nasface.errors import SpecError

SPACE = """
format: 1
name: bench
operations: [none, skip, conv_1x1, dense_3x3, avg_pool_3x3]
cells:
  cell:
    inputs: [{name: x, level: 0}]
    dense: {nodes: 3, keep: all}
    output: {rule: cat-leaf, projection: none}
"""
CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|skip_connect~1|{}~2|"


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    (tmp_path / "bench.yaml").write_text(SPACE)
    return load_search_space(tmp_path / "bench.yaml")


def test_every_cell_of_the_table(space: SearchSpace) -> None:
    for names in list(product(NASBENCH201_OPERATIONS, repeat=6))[::97]:
        rows = [names[:1], names[1:3], names[3:]]
        text = "+".join(
            "".join(f"|{name}~{at}" for at, name in enumerate(row)) + "|" for row in rows
        )
        found = read_genotype_text(f"Structure(4 nodes with {text})", "t", space)
        genotype, notes = found.choose()
        cell = genotype.cells["cell"]
        assert [[edge.operation for edge in node.edges] for node in cell.nodes] == [
            [NASBENCH201_OPERATIONS[name] for name in row] for row in rows
        ]
        assert [edge.source for edge in cell.nodes[2].edges] == ["x", "n1", "n2"]
        assert cell.outputs[0].sources == ("n3",)
        assert (genotype.space.digest, notes) == (space.digest, [])


def test_names(space: SearchSpace) -> None:
    a, b = CELL.format("skip_connect"), CELL.format("nor_conv_3x3")
    found = read_genotype_text(f"A = {a!r}\nB = {{'best': {b!r}}}", "t", space)
    assert list(found.genotypes) == ["A", "B.best"]
    with pytest.raises(SpecError, match=r"holds A, B\.best; choose one"):
        found.choose()
    assert read_genotype_text(f"100 epochs: {a} 0.91", "t", space).choose()[0].name == "genotype"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CELL.format("none"), "does not fit cell cell of space bench: nodes.n3.edges: expected 3"),
        (CELL.format("conv_9x9"), "node 3: unknown operation 'conv_9x9'; expected one of none"),
        (CELL.format("skip_connect").replace("~1", "~0"), "node 2: expected one operation from"),
        ("|none~0|+|none~0|none~1|", "has 1 inputs and 3 nodes; expected 1 and 2"),
    ],
)
def test_what_does_not_fit(text: str, message: str, space: SearchSpace) -> None:
    with pytest.raises(SpecError, match=f"t: line 1: .*{message}"):
        read_genotype_text(text, "t", space).choose()


def test_spaces_without_such_a_cell() -> None:
    text = CELL.format("skip_connect")
    with pytest.raises(SpecError, match=r"expected a space that has such a cell \(--space\)"):
        read_genotype_text(text, "t").choose()
    for name in ("darts", "autofem-cpm", "autofem-fpn"):
        with pytest.raises(SpecError, match=f"does not fit cell .* of space {name}: has"):
            read_genotype_text(text, "t", load_search_space(name)).choose()


def test_import_with_a_space(tmp_path: Path, space: SearchSpace) -> None:
    (tmp_path / "found.txt").write_text(CELL.format("skip_connect"))
    words = ["genotype", "import", str(tmp_path / "found.txt"), "--out", str(tmp_path / "g.yaml")]
    assert main(words) == 2
    assert main([*words, "--space", str(tmp_path / "bench.yaml")]) == 0
    genotype = load_genotype(tmp_path / "g.yaml")
    assert genotype.space.digest == space.digest
    assert "not at hand" in check_membership(genotype)

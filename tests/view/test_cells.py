import re
from pathlib import Path

import pytest
from tiny import tiny_genotype

from nasface.errors import ConfigError
from nasface.spec.operations import OPERATION_NAMES
from nasface.spec.store import load_genotype, packaged_names
from nasface.view.cells import cell_graph, draw_genotype, operation_colours, to_dot, vertex_places

MAGIC = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


@pytest.mark.parametrize("suffix", MAGIC)
def test_drawn_without_graphviz(suffix: str, tmp_path: Path) -> None:
    path = draw_genotype(tiny_genotype(), tmp_path / f"cell{suffix}", use_graphviz=False)
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert list(tmp_path.iterdir()) == [path]


def test_dot_names_every_vertex_once_and_every_edge() -> None:
    genotype = tiny_genotype()
    source = to_dot(genotype).source
    for cell, gene in genotype.cells.items():
        for name in [each.name for each in gene.inputs] + [node.name for node in gene.nodes]:
            defined = re.findall(rf'^\s*"?{cell}\.{name}"? \[', source, re.MULTILINE)
            assert len(defined) == 1, (cell, name)
        drawn = re.findall(rf'^\s*"?{cell}\.(.+?)"? -> "?{cell}\.', source, re.MULTILINE)
        edges = sum(len(node.edges) for node in gene.nodes)
        leaves = sum(len(output.sources) for output in gene.outputs)
        assert len(drawn) == edges + leaves


def test_leaves_and_products_are_told_apart() -> None:
    genotype = tiny_genotype()
    roles = {vertex.name: vertex.role for vertex in cell_graph(genotype.cells["fpn"])[0]}
    assert roles["f2"] == "input"
    assert roles["up3"] == "product"
    assert roles["td3"] == "node"
    assert roles["out3"] == "leaf"
    assert roles["output 3"] == "output"


@pytest.mark.parametrize("name", packaged_names("nasface.genotypes"))
def test_no_vertex_hides_another(name: str) -> None:
    for cell, gene in load_genotype(name).cells.items():
        places = vertex_places(gene)
        assert len(set(places.values())) == len(places), cell


def test_each_operation_has_its_own_colour() -> None:
    colours = operation_colours()
    assert len(set(colours.values())) == len(colours) == len(OPERATION_NAMES) - 2


def test_unknown_file_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected .png, .svg, .pdf, .dot"):
        draw_genotype(tiny_genotype(), tmp_path / "cell.gif")
    assert not list(tmp_path.iterdir())


def test_dot_is_written_without_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    path = draw_genotype(tiny_genotype("autofem-cpm"), tmp_path / "cell.dot")
    assert path.read_text().startswith("digraph")

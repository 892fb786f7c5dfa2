import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from tiny import tiny_genotype

from nasface.arch.io import load_genotype, packaged_names, parse_genotype
from nasface.arch.operations import OPERATION_NAMES
from nasface.drawing.cells import draw_comparison, draw_genotype
from nasface.drawing.dot import to_dot
from nasface.drawing.graph import (
    FIXED,
    cell_graph,
    colours_of,
    compare_cells,
    operation_colours,
)
from nasface.drawing.legend import legend
from nasface.drawing.page import comparison_sheet, genotype_sheet
from nasface.errors import ConfigError, RunError
from nasface.io.yaml import to_yaml

MAGIC = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


@pytest.mark.parametrize("suffix", MAGIC)
def test_drawn_without_graphviz(suffix: str, tmp_path: Path) -> None:
    path = draw_genotype(tiny_genotype(), tmp_path / f"cell{suffix}", use_graphviz=False)
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's program is not installed")
def test_graphviz_leaves_vertices_and_arrows_where_they_are(tmp_path: Path) -> None:
    path = draw_genotype(tiny_genotype(), tmp_path / "cell.svg", use_graphviz=True)
    assert b"<svg" in path.read_bytes()
    graph = to_dot(genotype_sheet(tiny_genotype()))
    laid_out = subprocess.run(
        ["neato", "-n2", "-Tplain"], input=graph.source, text=True, capture_output=True, check=True
    ).stdout
    places = {
        shlex.split(line)[1]: tuple(float(word) for word in shlex.split(line)[2:4])
        for line in laid_out.splitlines()
        if line.startswith("node ") and "text." not in line
    }
    for cell, corner in genotype_sheet(tiny_genotype()).cells:
        first = cell.vertices[0]
        # Graphviz moves its origin, so places are compared as distances from the first vertex.
        zero, here = places[f"{cell.name}.{first.name}"], cell.places[first.name]
        for vertex in cell.vertices:
            found, expected = places[f"{cell.name}.{vertex.name}"], cell.places[vertex.name]
            for axis in (0, 1):
                assert found[axis] - zero[axis] == pytest.approx(
                    expected[axis] - here[axis], abs=0.02
                ), (corner, vertex.name)


def test_dot_names_every_vertex_once_and_every_edge() -> None:
    genotype = tiny_genotype()
    source = to_dot(genotype_sheet(genotype)).source
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


def test_legend_names_what_is_drawn_and_nothing_else() -> None:
    genotype = load_genotype("darts_v2")
    texts = " ".join(entry.text for entry in legend(genotype_sheet(genotype)))
    used = {e.operation for cell in genotype.cells.values() for n in cell.nodes for e in n.edges}
    for name in set(OPERATION_NAMES) - {"none", "skip"}:
        assert (f"{name}:" in texts) == (name in used), name
    assert "product" not in texts


def test_each_operation_has_its_own_colour() -> None:
    colours = operation_colours()
    assert len(set(colours.values())) == len(colours) == len(OPERATION_NAMES) - 2


def test_an_operation_that_is_added_has_a_colour_of_its_own_and_changes_no_other() -> None:
    there = operation_colours()
    more = colours_of([*there, *(f"new_{number}" for number in range(12))])
    assert more.items() >= there.items()
    assert more.items() >= colours_of([*there, "new_0", "new_1"]).items()
    assert all(re.fullmatch("#[0-9a-f]{6}", each) for each in more.values())
    assert len(set(more.values()) | {FIXED}) == len(more) + 1


def test_an_operation_that_is_added_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {**OPERATION_NAMES, "shuffle_3x3": "grouped 3x3 convolution"}
    for module in ("spec.graph", "view.graph", "view.legend"):
        monkeypatch.setattr(f"nasface.{module}.OPERATION_NAMES", names)
    text = to_yaml(tiny_genotype("autofem-cpm")).replace(
        "operation: conv_1x1", "operation: shuffle_3x3"
    )
    genotype = parse_genotype(text, "text")
    operation_colours.cache_clear()
    try:
        entries = {each.text: each.colour for each in legend(genotype_sheet(genotype))}
        draw_genotype(genotype, tmp_path / "cell.svg", use_graphviz=False)
    finally:
        operation_colours.cache_clear()
    assert entries.pop("shuffle_3x3: grouped 3x3 convolution") not in entries.values()
    assert "shuffle_3x3" in (tmp_path / "cell.svg").read_text()


def test_unknown_file_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected .png, .svg, .pdf, .dot"):
        draw_genotype(tiny_genotype(), tmp_path / "cell.gif")
    assert not list(tmp_path.iterdir())


def test_unknown_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no 'cpm'; expected some of fpn, cpm_c2"):
        draw_genotype(tiny_genotype(), tmp_path / "cell.svg", cells=["cpm"])


def test_without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    genotype = tiny_genotype("autofem-cpm")
    assert draw_genotype(genotype, tmp_path / "cell.dot").read_text().count("digraph") == 1
    assert draw_genotype(genotype, tmp_path / "cell.png").read_bytes().startswith(MAGIC[".png"])
    with pytest.raises(RunError, match="program dot is not installed"):
        draw_genotype(genotype, tmp_path / "cell.svg", use_graphviz=True)


def test_a_comparison_has_each_edge_on_its_side() -> None:
    first, second = load_genotype("darts_v1").cells, load_genotype("darts_v2").cells
    for cell in first:
        arrows = compare_cells(first[cell], second[cell])[1]
        for gene, other in ((first[cell], "second"), (second[cell], "first")):
            expected = [(e.source, n.name, e.operation) for n in gene.nodes for e in n.edges]
            drawn = [(a.source, a.target, a.operation) for a in arrows if a.side != other]
            assert sorted(each for each in drawn if each[2]) == sorted(expected)


def test_a_genotype_shares_all_with_itself_and_nothing_with_a_missing_cell() -> None:
    gene = tiny_genotype().cells["fpn"]
    assert {arrow.side for arrow in compare_cells(gene, gene)[1]} == {"both"}
    assert {arrow.side for arrow in compare_cells(gene, None)[1]} == {"first"}
    assert {arrow.side for arrow in compare_cells(None, gene)[1]} == {"second"}


def test_comparison_is_drawn_and_names_both(tmp_path: Path) -> None:
    first, second = tiny_genotype("autofem-cpm"), load_genotype("darts_v2")
    assert comparison_sheet(first, second).compares == ("tiny", "darts_v2")
    path = draw_comparison(first, second, tmp_path / "both.svg", use_graphviz=False)
    assert "<!-- in darts_v2 only -->" in path.read_text()


@pytest.mark.parametrize("name", packaged_names("nasface.genotypes"))
def test_same_sheet_for_all_packaged_genotypes_fits_its_cells(name: str) -> None:
    sheet = genotype_sheet(load_genotype(name))
    for cell, (x, y) in sheet.cells:
        assert x >= 0
        assert y >= -1e-6
        assert x + cell.width <= sheet.width + 1e-6
        assert y + cell.height <= sheet.height + 1e-6

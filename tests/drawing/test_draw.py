"""Files of drawings, and drawings in notebooks."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.textpath import TextPath
from tiny import tiny_genotype

import nasface
from nasface.arch.io import load_genotype, parse_genotype
from nasface.arch.operations import OPERATIONS, Operation
from nasface.drawing.draw import draw_genotype as draw
from nasface.drawing.graph import operation_colours
from nasface.errors import ConfigError, MissingPackageError
from nasface.io.yaml import to_yaml

MAGIC = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml", ".dot": b"digraph"}
SVG = "{http://www.w3.org/2000/svg}"


def titles(svg: str) -> list[str]:
    """The names of the vertices in a drawing."""
    groups = ET.fromstring(svg).iter(f"{SVG}g")
    return [str(g.findtext(f"{SVG}title")) for g in groups if g.get("class") == "node"]


@pytest.mark.parametrize("suffix", MAGIC)
def test_the_suffix_names_the_type(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"cell{suffix}"
    draw(tiny_genotype("autofem-cpm"), path)
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert list(tmp_path.iterdir()) == [path]


def test_every_vertex_and_edge_is_drawn_once() -> None:
    genotype = tiny_genotype()
    drawn = draw(genotype)
    for cell, gene in genotype.cells.items():
        for name in [each.name for each in gene.inputs] + [node.name for node in gene.nodes]:
            assert titles(drawn.svg).count(f"{cell}.{name}") == 1
        heads = re.findall(rf'^\s*"?{cell}\.(.+?)"? -> "?{cell}\.', drawn.dot, re.MULTILINE)
        labels = [each for each in titles(drawn.svg) if each.startswith(f"{cell}.") and ">" in each]
        edges = sum(len(node.edges) for node in gene.nodes)
        leaves = sum(len(output.sources) for output in gene.outputs)
        # A label parts its arrow in two.
        assert len(heads) == edges + leaves + len(labels)


def test_the_same_genotype_gives_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; from nasface.arch.io import load_genotype; from nasface.drawing.draw import "
        "draw_genotype as draw; draw(load_genotype('autofem-quickstart'), sys.argv[1])"
    )
    written = []
    for at, seed in enumerate(("1", "2")):
        path = tmp_path / f"{at}.svg"
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], env=environment, capture_output=True, text=True
        )
        # Graphviz finds its fonts without a word.
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_labels_are_as_wide_as_their_text_in_the_font_of_matplotlib() -> None:
    """Another font, or the boxes that stand for missing letters, have other widths."""
    dot = draw(load_genotype("darts_v2")).dot
    text = "max_pool_3x3 s2"
    margins = 2 * 0.04
    expected = TextPath((0, 0), text, size=8).get_extents().width / 72 + margins
    nodes = [part for part in dot.split(";") if f'label="{text}"' in part]
    assert len(nodes) == 5
    for node in nodes:
        width = re.search(r'width="?([\d.]+)', node)
        assert width is not None
        assert expected < float(width[1]) < 1.15 * expected


def nothing(channels: int, stride: int, affine: bool) -> None:
    """What a drawing does not build."""


def test_an_operation_that_is_added_is_drawn() -> None:
    text = to_yaml(tiny_genotype("autofem-cpm"))
    text = text.replace("operation: conv_1x1", "operation: shuffle_3x3")
    OPERATIONS.add("shuffle_3x3", Operation("shuffle_3x3", "grouped 3x3 convolution", nothing))
    try:
        svg = draw(parse_genotype(text, "text")).svg
        colour = operation_colours()["shuffle_3x3"]
    finally:
        OPERATIONS.remove("shuffle_3x3")
    assert "shuffle_3x3: grouped 3x3 convolution" in svg
    assert f'stroke="{colour}"' in svg


@pytest.mark.parametrize("name", ["cell.gif", "cell", "cell.SVG.txt"])
def test_unknown_file_type_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected .png, .svg, .pdf, .dot"):
        draw(tiny_genotype("autofem-cpm"), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_unknown_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no 'cpm'; expected some of fpn, cpm_c2"):
        draw(tiny_genotype(), tmp_path / "cell.svg", cells=["cpm"])


def test_only_the_cells_asked_for() -> None:
    names = titles(draw(load_genotype("darts_v1"), cells=["reduce"]).svg)
    assert "reduce.n1" in names
    assert not any(each.startswith("normal") for each in names)


def test_names_are_drawn_as_their_genotypes() -> None:
    first, second = load_genotype("darts_v1"), load_genotype("darts_v2")
    assert draw("darts_v1", against="darts_v2").dot == draw(first, against=second).dot


def test_a_comparison_names_both() -> None:
    svg = draw(tiny_genotype("autofem-cpm"), against=load_genotype("darts_v2")).svg
    assert "in tiny only" in svg
    assert "in darts_v2 only" in svg
    again = load_genotype("darts_v2")
    assert "in darts_v2 (second) only" in draw(again, against=again).svg


def test_a_notebook_shows_genotypes_and_drawings() -> None:
    genotype = nasface.load_genotype("darts_v1")
    shown = genotype._repr_svg_()
    assert shown == nasface.draw(genotype)._repr_svg_() == genotype.draw().svg
    root = ET.fromstring(shown)
    assert root.tag == f"{SVG}svg"
    # Dark where the reader's screen is, and no wider than the cell of the notebook.
    style = str(root.findtext(f"{SVG}style"))
    assert "prefers-color-scheme: dark" in style
    assert f".{root.get('class')} {{ max-width: 100%" in style


def test_a_notebook_without_graphviz_shows_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise MissingPackageError("pygraphviz is not installed")

    monkeypatch.setattr(nasface, "draw", missing)
    assert load_genotype("darts_v1")._repr_svg_() is None


def test_the_width_of_a_narrow_cell_is_in_its_title() -> None:
    genotype = tiny_genotype("autofem-cpm")
    narrow = replace(genotype.cells["cpm_c3"], width=0.5)
    assert "cpm_c3 (stride 8)" in draw(genotype).svg
    drawn = draw(replace(genotype, cells={**genotype.cells, "cpm_c3": narrow}))
    assert "cpm_c3 (stride 8, width 0.5)" in drawn.svg
    assert "cpm_c4 (stride 16)" in drawn.svg

"""What a genotype refuses, and what goes together."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_genotype

from nasface.arch.genotype import (
    CellGene,
    EdgeGene,
    Genotype,
    NodeGene,
    OutputGene,
    Provenance,
    SpaceReference,
    cascade,
    repeat,
)
from nasface.arch.graph import Input
from nasface.arch.io import load_genotype, parse_genotype
from nasface.errors import SpecError
from nasface.io.yaml import to_yaml

GENE = CellGene(
    inputs=(Input("x", 2),),
    nodes=(
        NodeGene("a", 2, "sum", (EdgeGene("x", "sep_3x3"),)),
        NodeGene("b", 2, "sum", (EdgeGene("x", "skip"), EdgeGene("a", "conv_1x1"))),
        NodeGene("d", 3, "product", (EdgeGene("a", "sep_5x5", "stride"),)),
    ),
    outputs=(OutputGene(2, ("b",)), OutputGene(3, ("d",))),
    projection="conv",
    residual=False,
)


def genotype(**cells: CellGene) -> Genotype:
    return Genotype(1, "mine", SpaceReference("s", "0123456789ab"), cells)


def node(at: int, **changes: Any) -> tuple[NodeGene, ...]:
    """The nodes of GENE, one of them changed."""
    return tuple(
        replace(each, **changes) if position == at else each
        for position, each in enumerate(GENE.nodes)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes": node(0, edges=(EdgeGene("x", "none"),))}, r"nodes.0 \(a\).edges: none"),
        ({"nodes": node(0, edges=(EdgeGene("x", "sep_9x9"),))}, "unknown operation 'sep_9x9'"),
        ({"nodes": node(0, edges=(EdgeGene("b", "skip"),))}, "nodes.0.edges.0.source: 'b'"),
        ({"nodes": node(0, edges=())}, r"nodes.0 \(a\).edges: a node needs"),
        ({"nodes": node(0, level=3)}, "transform"),
        ({"nodes": node(2, name="a")}, "already taken"),
        ({"outputs": (OutputGene(2, ("b",)),)}, r"outputs: levels are \[2\], expected .*\[2, 3\]"),
        ({"outputs": (OutputGene(3, ("d",)), OutputGene(2, ("b",)))}, "outputs: levels"),
        ({"outputs": (OutputGene(2, ("d",)), OutputGene(3, ("d",)))}, "outputs.0.sources.*a, b"),
        ({"outputs": (OutputGene(2, ()), OutputGene(3, ("d",)))}, "outputs.0.sources"),
        ({"outputs": (OutputGene(2, ("b", "b")), OutputGene(3, ("d",)))}, "outputs.0.sources"),
        ({"outputs": (OutputGene(2, ("x",)), OutputGene(3, ("d",)))}, "outputs.0.sources"),
        ({"residual": True}, "output.residual"),
    ],
)
def test_a_malformed_gene_names_the_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        replace(GENE, **changes)


def test_a_genotype_needs_cells() -> None:
    with pytest.raises(SpecError, match="cells"):
        genotype()


def test_cascade() -> None:
    first, second = genotype(fpn=GENE), replace(genotype(c2=GENE, c3=GENE), name="second")
    both = cascade(first, second)
    assert list(both.cells) == ["fpn", "c2", "c3"]
    assert both.name == "second"
    with pytest.raises(SpecError, match=r"'mine' and 'mine'.*named 'fpn'"):
        cascade(first, first)


def test_repeating_never_replaces_a_cell() -> None:
    genotype = tiny_genotype()
    name = next(iter(genotype.cells))
    assert len(repeat(genotype, 3).cells) == 3 * len(genotype.cells)
    taken = replace(genotype, cells={**genotype.cells, f"{name}_2": genotype.cells[name]})
    with pytest.raises(SpecError, match=f"cell '{name}' cannot be repeated"):
        repeat(taken, 2)


def test_it_is_shown_in_one_line_or_a_line_a_node() -> None:
    edges = (EdgeGene("b", "skip", "stride"), EdgeGene("d", "conv_1x1"))
    shown = genotype(c=replace(GENE, nodes=(*GENE.nodes, NodeGene("e", 3, "concat", edges))))
    assert repr(shown) == "<Genotype mine of space s: c (4 nodes)>"
    assert str(shown).splitlines() == [
        "mine, of space s",
        "c:",
        "  a = sep_3x3(x)",
        "  b = skip(x) + conv_1x1(a)",
        "  d = sep_5x5(a stride 2)",
        "  e = concat(skip(b stride 2), conv_1x1(d))",
        "  output 2 = [b]",
        "  output 3 = [d]",
    ]


def test_equal_genotypes_are_one_in_a_set() -> None:
    two = {"first": GENE, "second": GENE}
    mine, turned = genotype(**two), genotype(**dict(reversed(two.items())))
    assert mine == turned
    others = [
        replace(mine, name="other"),
        genotype(first=GENE),
        replace(mine, space=replace(mine.space, parameters={"nodes": 2})),
        replace(mine, provenance=Provenance(seed=1)),
    ]
    assert {mine, turned, *others, copy.deepcopy(mine)} == {mine, *others}
    assert len({mine, turned, *others}) == 5
    assert {load_genotype("asfd-ref")} == {load_genotype("asfd-ref")}


def test_it_is_saved_as_yaml_and_replaced_only_when_asked(tmp_path: Path) -> None:
    mine, path = genotype(c=GENE), tmp_path / "mine.yaml"
    assert mine.save(path) == path
    assert load_genotype(path) == mine
    other = replace(mine, name="other")
    with pytest.raises(SpecError, match=r"mine.yaml: exists; expected a new file"):
        other.save(str(path))
    other.save(path, overwrite=True)
    assert load_genotype(path).name == "other"
    with pytest.raises(SpecError, match=r"mine.json: expected a .yaml file"):
        mine.save(tmp_path / "mine.json")
    assert list(tmp_path.iterdir()) == [path]


def test_a_width_is_written_where_it_is_not_1() -> None:
    """Genotypes without narrow cells are the texts that they were before there were any."""
    text = to_yaml(genotype(c=GENE))
    assert "width" not in text
    assert parse_genotype(text, "here").cells["c"].width == 1
    narrow = genotype(c=replace(GENE, width=0.5))
    assert "width: 0.5" in to_yaml(narrow)
    assert parse_genotype(to_yaml(narrow), "here") == narrow
    assert str(narrow.cells["c"]).endswith("width 0.5")
    for width in (0.0, -0.5, 1.25):
        with pytest.raises(SpecError, match="width"):
            replace(GENE, width=width)
    with pytest.raises(SpecError, match="width: narrower nodes need a projection back"):
        replace(GENE, projection="none", width=0.5)

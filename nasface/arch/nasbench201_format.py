"""Cells in the string form of NAS-Bench-201, read into a space that has such a cell.

``|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|...|``: per node, an operation from the input
(0) and from every node before it. Such a cell says nothing of the network around it, so that comes
from the space: a cell with one input and, into each node, an edge from all that is before it.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from nasface.arch.genotype import (
    GENOTYPE_FORMAT,
    CellGene,
    EdgeGene,
    Genotype,
    NodeGene,
    OutputGene,
    Provenance,
    SpaceReference,
    check_derivable,
)
from nasface.arch.graph import CellGraph
from nasface.arch.space import SearchSpace
from nasface.errors import SpecError, one_of

NASBENCH201_OPERATIONS: Mapping[str, str] = MappingProxyType(
    {
        "skip_connect": "skip",
        "nor_conv_1x1": "conv_1x1",
        "nor_conv_3x3": "dense_3x3",
        "avg_pool_3x3": "avg_pool_3x3",
    }
)
"""Name in NAS-Bench-201 -> name here; ``none`` is no connection."""
CELL = re.compile(r"\|\w{1,100}~0\|(?:\+(?:\|\w{1,100}~\d{1,3})+\|)+")


def read_nasbench201(text: str, name: str, space: SearchSpace | None) -> Genotype:
    """Return the genotype in which every cell of the space is that of the text.

    Raises:
        SpecError: without a space, or if the space does not hold such a cell.
    """
    if space is None:
        raise SpecError(
            "a NAS-Bench-201 cell says nothing of the network around it; expected a space that "
            "has such a cell (--space)"
        )
    nodes = [_node(at, part) for at, part in enumerate(text.split("+"))]
    cells = {}
    for cell, graph in space.cells.items():
        try:
            cells[cell] = _gene(nodes, graph)
        except SpecError as error:
            raise SpecError(f"does not fit cell {cell} of space {space.name}: {error}") from None
    return Genotype(
        GENOTYPE_FORMAT,
        name,
        SpaceReference(space.name, space.digest, dict(space.parameters)),
        cells,
        Provenance(note="Imported from a NAS-Bench-201 string."),
    )


def _node(at: int, part: str) -> list[str]:
    """Return the operations into a node, by source; empty for no connection."""
    entries = [each.split("~") for each in part.strip("|").split("|")]
    if [source for _, source in entries] != [str(source) for source in range(at + 1)]:
        raise SpecError(f"node {at + 1}: expected one operation from each of 0 to {at}")
    for operation, _ in entries:
        if operation not in (*NASBENCH201_OPERATIONS, "none"):
            raise SpecError(
                f"node {at + 1}: unknown operation {operation!r}; expected "
                f"{one_of(operation, ['none', *NASBENCH201_OPERATIONS])}"
            )
    return [NASBENCH201_OPERATIONS.get(operation, "") for operation, _ in entries]


def _gene(nodes: list[list[str]], graph: CellGraph) -> CellGene:
    before = [each.name for each in graph.inputs]
    if len(before) != 1 or len(graph.nodes) != len(nodes):
        raise SpecError(
            f"has {len(before)} inputs and {len(graph.nodes)} nodes; expected 1 and {len(nodes)}"
        )
    genes, used = [], set()
    for operations, node, indices in zip(nodes, graph.nodes, graph.edges_into, strict=True):
        if [edge.source for edge in node.edges] != before:
            raise SpecError(f"node {node.name}: expected an edge from each of {', '.join(before)}")
        edges = []
        for operation, index in zip(operations, indices, strict=True):
            if operation:
                edge = graph.edges[index]
                edges.append(EdgeGene(edge.source, operation, edge.transform))
                used.add(index)
        genes.append(NodeGene(node.name, node.level, node.rules[0], tuple(edges)))
        before.append(node.name)
    outputs = tuple(
        OutputGene(level, tuple(graph.nodes[at].name for at in sources))
        for level, sources in graph.sources_of_outputs(frozenset(used)).items()
    )
    gene = CellGene(
        graph.inputs, tuple(genes), outputs, graph.output.projection, graph.output.residual
    )
    check_derivable(graph, gene)
    return gene

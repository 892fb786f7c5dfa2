"""Cells and genotypes as graphs of networkx, for all that networkx does with graphs.

Vertices are the inputs, nodes and outputs of a cell, in that order, which is a topological one. A
vertex carries

- ``kind``: ``input``, ``node`` or ``output``;
- ``level``: its stride is ``2**level`` pixels;
- ``combine``: of a node how its sources are combined, of an output ``concat``, of an input empty;

and an output ``projection`` and ``residual`` besides, and ``width`` where the nodes of the cell are
narrower than the maps around it. An edge carries ``operation`` and
``transform``; on the way into an output, where nothing is computed, ``operation`` is empty. All
values are strings, numbers and booleans, which every writer of networkx takes.

Imported where a graph is asked for, since importing networkx takes a while.
"""

from collections.abc import Container

import networkx as nx

from nasface.arch.genotype import CellGene, Genotype
from nasface.arch.graph import CellGraph


def graph_of_space_cell(
    cell: CellGraph, active_edges: Container[int] | None = None
) -> nx.MultiDiGraph:
    """Return the inputs and nodes of a cell to search; not its outputs, whose sources a search may
    decide.

    ``active_edges`` are the indices of the edges to take, all by default. The key of an edge is
    its index; its ``operations`` are the names of the candidates, joined by spaces, and so is
    ``combine`` of a node with several candidates.
    """
    graph = _vertices_of(cell)
    for node, edges in zip(cell.nodes, cell.edges_into, strict=True):
        for index in edges:
            if active_edges is None or index in active_edges:
                edge = cell.edges[index]
                names = " ".join(edge.operations)
                graph.add_edge(
                    edge.source, node.name, index, operations=names, transform=edge.transform
                )
    return graph


def graph_of_cell(cell: CellGene) -> nx.MultiDiGraph:
    """Return a cell of a genotype; its output at level 3 is the vertex ``output 3``."""
    graph = _vertices_of(cell)
    for node in cell.nodes:
        for edge in node.edges:
            graph.add_edge(
                edge.source, node.name, operation=edge.operation, transform=edge.transform
            )
    end: dict[str, str | bool | float] = {
        "projection": cell.projection,
        "residual": cell.residual,
    }
    if cell.width != 1:
        end["width"] = cell.width
    for output in cell.outputs:
        name = f"output {output.level}"
        graph.add_node(name, kind="output", level=output.level, combine="concat", **end)
        for source in output.sources:
            graph.add_edge(source, name, operation="", transform="none")
    return graph


def graph_of_genotype(genotype: Genotype) -> nx.MultiDiGraph:
    """Return all cells of a genotype beside each other: the vertex ``fpn.td6`` is ``td6`` of cell
    ``fpn``, which is its attribute ``cell``.

    How cells follow one another is up to the model that is built of them, and not in the graph.
    """
    whole = nx.MultiDiGraph(name=genotype.name, space=genotype.space.name)
    for name, cell in genotype.cells.items():
        graph = graph_of_cell(cell)
        nx.set_node_attributes(graph, name, "cell")
        whole.update(nx.relabel_nodes(graph, {each: f"{name}.{each}" for each in graph}))
    return whole


def _vertices_of(cell: CellGraph | CellGene) -> nx.MultiDiGraph:
    graph = nx.MultiDiGraph()
    for each in cell.inputs:
        graph.add_node(each.name, kind="input", level=each.level, combine="")
    for node in cell.nodes:
        rules = node.combine if isinstance(node.combine, str) else " ".join(node.combine)
        graph.add_node(node.name, kind="node", level=node.level, combine=rules)
    return graph

"""Cells that are equal up to the names of their nodes, and how far others are from that.

Names of inputs and levels of outputs count: they are how a cell is joined to the model around it.
The order of the edges into a node and of the nodes in an output does not.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import networkx as nx

from nasface.arch.genotype import CellGene, Genotype
from nasface.optional import require

Attributes = Mapping[str, Any]


@dataclass(frozen=True)
class EditDistance:
    """Number of vertices and edges to add, remove or relabel to turn one cell into another."""

    edits: int
    is_exact: bool
    """False where fewer edits may do: the search for them was stopped."""


@dataclass(frozen=True)
class ChangedCell:
    """Distance between the cells of one name in two genotypes."""

    name: str
    distance: EditDistance
    renaming: Mapping[str, str] | None
    """Node of the first -> its counterpart in the second, of cells equal up to names."""

    def __str__(self) -> str:
        if self.renaming is not None:
            moved = [f"{new} for {old}" for old, new in self.renaming.items() if new != old]
            return f"{self.name}: isomorphic, equal with {', '.join(moved)}"
        edits = self.distance.edits
        text = f"{edits} edit{'' if edits == 1 else 's'} apart"
        return f"{self.name}: {text if self.distance.is_exact else f'at most {text}'}"


def changed_cells(first: Genotype, second: Genotype) -> list[ChangedCell]:
    """Return the cells that both genotypes have and that are not the same."""
    found = []
    for name, cell in first.cells.items():
        if name in second.cells:
            distance = edit_distance(cell, second.cells[name])
            if distance.edits:
                found.append(ChangedCell(name, distance, renaming(cell, second.cells[name])))
    return found


def renaming(first: CellGene, second: CellGene) -> dict[str, str] | None:
    """Return which node of the second cell stands for each of the first; ``None`` if they differ.

    Of several ways the first that networkx finds (VF2).
    """
    matcher = nx.isomorphism.MultiDiGraphMatcher(
        _labelled(first), _labelled(second), _equal, _equal_edges
    )
    if not matcher.is_isomorphic():
        return None
    return {node.name: matcher.mapping[node.name] for node in first.nodes}


def edit_distance(first: CellGene, second: CellGene, seconds: float = 2.0) -> EditDistance:
    """Return the graph edit distance of two cells: an edit adds, removes or relabels a vertex or an
    edge.

    Where the cells have inputs, nodes and outputs of the same names, as cells of one space do, a
    vertex stands for that of the same name: what is counted are edges, and nodes that combine by
    another rule. Else any vertex may stand for any other, and networkx looks for the cheapest way
    for at most so many ``seconds``.

    Raises:
        MissingPackageError: in the second case, where SciPy is not installed.
    """
    one, other = _labelled(first), _labelled(second)
    if dict(one.nodes(data="kind")) == dict(other.nodes(data="kind")):
        relabelled = sum(one.nodes[each] != other.nodes[each] for each in one)
        return EditDistance(relabelled + _changed_edges(one, other), is_exact=True)
    require("nasface[evaluate]", "scipy")  # which networkx matches vertices with
    start = monotonic()
    edits = nx.graph_edit_distance(
        one, other, node_match=_equal, edge_match=_equal, timeout=seconds
    )
    if edits is None:  # not even one way was found in time: replace all of it
        edits = sum(graph.order() + graph.size() for graph in (one, other))
    return EditDistance(int(edits), is_exact=monotonic() - start < seconds)


def shared_edges(first: Genotype, second: Genotype) -> float:
    """Return the share of edges, of those in either genotype, that both have: 0 to 1.

    Edges are the same with the same cell, names of source and target, operation and transform.
    Those that a space leaves no choice are in both.
    """
    ours, theirs = (
        Counter(
            (name, edge.source, node.name, edge.operation, edge.transform)
            for name, cell in genotype.cells.items()
            for node in cell.nodes
            for edge in node.edges
        )
        for genotype in (first, second)
    )
    return (ours & theirs).total() / (ours | theirs).total()


def same_cells(first: Genotype, second: Genotype) -> float:
    """Return the share of cells, of those in either genotype, equal up to the names of nodes: 0 to
    1."""
    names = first.cells.keys() | second.cells.keys()
    both = first.cells.keys() & second.cells.keys()
    return sum(renaming(first.cells[n], second.cells[n]) is not None for n in both) / len(names)


def _labelled(cell: CellGene) -> nx.MultiDiGraph:
    """Return the graph of a cell, in which inputs carry their names."""
    graph = cell.to_networkx()
    for each in cell.inputs:
        graph.nodes[each.name]["name"] = each.name
    return graph


def _equal(one: Attributes, other: Attributes) -> bool:
    return one == other


def _equal_edges(one: Mapping[int, Attributes], other: Mapping[int, Attributes]) -> bool:
    """Return whether the edges between two vertices are the same, in any order."""
    return _labels(one) == _labels(other)


def _labels(edges: Mapping[int, Attributes]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(edge.values()) for edge in edges.values())


def _changed_edges(one: nx.MultiDiGraph, other: nx.MultiDiGraph) -> int:
    """Return the number of edits that make the edges of one graph those of another with the same
    vertices."""
    edits = 0
    for source, target in {*one.edges(keys=False)} | {*other.edges(keys=False)}:
        ours, theirs = (
            _labels(graph.get_edge_data(source, target, default={})) for graph in (one, other)
        )
        edits += max((ours - theirs).total(), (theirs - ours).total())
    return edits

"""Differences of two genotypes: cell by cell, node by node, edge by edge."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from nasface.arch.genotype import CellGene, Genotype, NodeGene

Side = Literal["first", "second"]


@dataclass(frozen=True)
class Difference:
    """Something that only one of two genotypes has, such as the edge ``n1 <- skip(x)``."""

    side: Side
    place: str
    what: str


def diff_genotypes(first: Genotype, second: Genotype) -> list[Difference]:
    """Return all differences of the cells, in their order; empty if they build the same modules.

    The number of differences is an edit distance: an edge with another operation or source counts
    one on each side. Names, provenance and the order of edges do not count.
    """
    found = []
    for name in dict.fromkeys((*first.cells, *second.cells)):
        ours = _facts(first.cells.get(name))
        theirs = _facts(second.cells.get(name))
        for place in dict.fromkeys((*ours, *theirs)):
            left, right = ours.get(place, Counter()), theirs.get(place, Counter())
            where = f"{name}.{place}" if place else name
            found += [Difference("first", where, what) for what in (left - right).elements()]
            found += [Difference("second", where, what) for what in (right - left).elements()]
    return found


def _facts(cell: CellGene | None) -> dict[str, Counter[str]]:
    """Place in a cell -> descriptions of what it holds, counted."""
    if cell is None:
        return {}
    facts = {
        "inputs": Counter(f"{each.name} at level {each.level}" for each in cell.inputs),
        **{node.name: _node_facts(node) for node in cell.nodes},
        "outputs": Counter(
            f"level {output.level}: {', '.join(sorted(output.sources))}" for output in cell.outputs
        ),
    }
    facts["outputs"][f"projection {cell.projection}"] += 1
    facts["outputs"][f"residual {'yes' if cell.residual else 'no'}"] += 1
    return facts


def _node_facts(node: NodeGene) -> Counter[str]:
    facts = Counter(
        f"{edge.operation}({edge.source})"
        + (f" {edge.transform}" if edge.transform != "none" else "")
        for edge in node.edges
    )
    facts[f"{node.combine} at level {node.level}"] += 1
    return facts

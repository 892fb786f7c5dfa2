"""The choices that make up a cell of a search space, to and from genotypes."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np

from nasface.arch.genotype import Genotype, Provenance, edges_of
from nasface.arch.graph import width_name
from nasface.arch.space import SearchSpace
from nasface.errors import SpecError
from nasface.nas.candidates import CandidateTable, Pair, select
from nasface.nas.derive import genotype_of_paths
from nasface.nas.rules import OUT
from nasface.nas.sampling import mixture_of

NodeChoice: TypeAlias = tuple[tuple[Pair, ...], str]
"""The kept (edge, column) pairs of a node, and its combine rule; of a width none, and its name."""

Choices: TypeAlias = Mapping[str, tuple[NodeChoice, ...]]
"""Cell with choices of its own -> its nodes, then the widths that are searched (the nodes of its
:class:`nasface.nas.rules.RuleTable`)."""


def choices_of(space: SearchSpace, genotype: Genotype) -> Choices:
    """Return what a genotype of the space chooses; of nodes that it has left out with all cells
    that would share them, the first candidates."""
    return {cell: _choices_of(space, cell, genotype) for cell in space.leaders}


def _choices_of(space: SearchSpace, cell: str, genotype: Genotype) -> tuple[NodeChoice, ...]:
    table = CandidateTable.of(space, cell)
    there = [name for name in table.cells if name in genotype.cells]
    nodes: Iterator[NodeChoice]
    if there:
        columns = {name: at for at, name in enumerate(space.operations)}
        gene = genotype.cells[there[0]]
        kept = edges_of(space.cells[there[0]], gene)
        nodes = (
            (
                tuple(
                    (at, columns[edge.operation])
                    for at, edge in zip(edges, node.edges, strict=True)
                ),
                node.combine,
            )
            for edges, node in zip(kept, gene.nodes, strict=True)
        )
    else:
        path = select(table, np.zeros(table.offered_EO.shape, np.float32))
        rules = (node.rules[0] for node in table.graph.nodes)
        nodes = zip(path, rules, strict=True)
    widths: Iterator[NodeChoice] = (
        ((), width_name(genotype.cells[name].width) if name in there else OUT)
        for name in table.widths
    )
    return (*nodes, *widths)


def genotype_of_choices(
    space: SearchSpace, choices: Choices, name: str, provenance: Provenance | None = None
) -> Genotype:
    """Return the genotype of choices."""
    nodes = {cell: len(space.cells[cell].nodes) for cell in choices}
    return genotype_of_paths(
        space,
        {cell: tuple(pairs for pairs, _ in each[: nodes[cell]]) for cell, each in choices.items()},
        {cell: tuple(rule for _, rule in each) for cell, each in choices.items()},
        name=name,
        provenance=provenance,
    )


def holds(space: SearchSpace, genotype: Genotype) -> bool:
    """Return whether a space could give the cells of a genotype, whatever the channels and edge
    weights with which it is searched."""
    try:
        mixture_of(space, genotype)
    except SpecError:
        return False
    own = genotype_of_choices(space, choices_of(space, genotype), genotype.name)
    return all(own.cells.get(name) == genotype.cells.get(name) for name in space.cells)

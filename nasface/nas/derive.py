"""From architecture parameters to a genotype: arrays in, data out."""

from collections.abc import Mapping

import numpy as np

from nasface.arch.genotype import (
    GENOTYPE_FORMAT,
    CellGene,
    EdgeGene,
    Genotype,
    NodeGene,
    OutputGene,
    Provenance,
    SpaceReference,
)
from nasface.arch.graph import width_name
from nasface.arch.space import SearchSpace
from nasface.arrays import Float32
from nasface.errors import SpecError
from nasface.nas.candidates import CandidateTable, Pair, pair_scores, select

NodePaths = tuple[tuple[Pair, ...], ...]
"""Per node its (edge, column) pairs."""

NodeRules = tuple[str, ...]
"""Per node its combine rule, then the name of each width that is searched."""


def derive(
    space: SearchSpace,
    alphas: Mapping[str, Float32],
    betas: Mapping[str, Float32] | None = None,
    gammas: Mapping[str, Float32] | None = None,
    *,
    name: str = "derived",
    provenance: Provenance | None = None,
) -> Genotype:
    """Return the genotype that architecture parameters stand for.

    Per node the edges with the largest score are kept, where an edge's score is that of its best
    operation except ``none``: softmax(alpha), times softmax(beta) over the edges into the node
    where ``betas`` are given (PC-DARTS). A node that chooses its combine rule takes the one with
    the largest gamma, and so does a cell with its width. Ties go to the lower index. Cells that
    share their choices have arrays under the name of the first of them.

    Args:
        space: the space that was searched.
        alphas: cell -> (edges, operations), edges in the graph's order (node by node), columns in
            the order of ``space.operations``.
        betas: cell -> (edges,).
        gammas: cell -> (nodes and widths, rules), for cells with a choice of rules or widths.
        name: of the genotype.
        provenance: where the weights come from.

    Raises:
        SpecError: if a cell is missing, or an array has another shape or is not finite.
    """
    paths: dict[str, NodePaths] = {}
    rules: dict[str, NodeRules] = {}
    for cell in space.leaders:
        table = CandidateTable.of(space, cell)
        edges, operations = table.offered_EO.shape
        alpha = _checked("alphas", alphas, cell, (edges, operations))
        beta = None if betas is None else _checked("betas", betas, cell, (edges,))
        paths[cell] = select(table, pair_scores(table, alpha, beta))
        if table.rules.open:
            shape = table.rules.offered_NR.shape
            rules[cell] = table.rules.best(_checked("gammas", gammas or {}, cell, shape))
    return genotype_of_paths(space, paths, rules, name=name, provenance=provenance)


def genotype_of_paths(
    space: SearchSpace,
    paths: Mapping[str, NodePaths],
    rules: Mapping[str, NodeRules] | None = None,
    *,
    name: str = "derived",
    provenance: Provenance | None = None,
) -> Genotype:
    """Return the genotype in which each node has exactly the given pairs, and combines them by the
    given rule. Cells of width 0 are left out.

    ``paths`` and ``rules`` are those of :attr:`SearchSpace.leaders` cells; where a cell has no
    rules, each node takes its first, and the cell its first width.
    """
    found = rules or {}
    widths = {cell: _width(space, cell, found.get(space.leader(cell))) for cell in space.cells}
    return Genotype(
        format=GENOTYPE_FORMAT,
        name=name,
        space=SpaceReference(space.name, space.digest, dict(space.parameters)),
        cells={
            cell: _gene(
                space, cell, paths[space.leader(cell)], found.get(space.leader(cell)), width
            )
            for cell, width in widths.items()
            if width > 0
        },
        provenance=provenance or Provenance(),
    )


def _width(space: SearchSpace, cell: str, rules: NodeRules | None) -> float:
    graph = space.cells[cell]
    if rules is None or len(graph.widths) == 1:
        return graph.widths[0]
    searched = list(space.searched_widths(space.leader(cell)))
    name = rules[len(graph.nodes) + searched.index(cell)]
    return {width_name(width): width for width in graph.widths}[name]


def _gene(
    space: SearchSpace, cell: str, path: NodePaths, rules: NodeRules | None, width: float
) -> CellGene:
    graph = space.cells[cell]
    chosen = rules or tuple(node.rules[0] for node in graph.nodes)
    nodes = tuple(
        NodeGene(
            node.name,
            node.level,
            rule,
            tuple(
                EdgeGene(
                    graph.edges[edge].source, space.operations[column], graph.edges[edge].transform
                )
                for edge, column in pairs
            ),
        )
        for node, rule, pairs in zip(graph.nodes, chosen[: len(graph.nodes)], path, strict=True)
    )
    used = frozenset(edge for pairs in path for edge, _ in pairs)
    outputs = tuple(
        OutputGene(level, tuple(graph.nodes[at].name for at in sources))
        for level, sources in graph.sources_of_outputs(used).items()
    )
    return CellGene(
        graph.inputs, nodes, outputs, graph.output.projection, graph.output.residual, width
    )


def _checked(
    what: str, arrays: Mapping[str, Float32], cell: str, shape: tuple[int, ...]
) -> Float32:
    if cell not in arrays:
        raise SpecError(
            f"{what}: cell {cell!r} is missing; given are {', '.join(arrays) or 'none'}"
        )
    array = np.asarray(arrays[cell], dtype=np.float32)
    if array.shape != shape:
        raise SpecError(f"{what}.{cell}: shape is {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise SpecError(f"{what}.{cell}: has values that are not finite")
    return array

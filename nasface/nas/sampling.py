"""Cells drawn at random, and the path of a cell that is given as a genotype."""

import numpy as np

from nasface.arch.genotype import CellGene, Genotype, Provenance, check_width, edges_of
from nasface.arch.graph import CellGraph, width_name
from nasface.arch.space import SearchSpace, check_may_omit
from nasface.errors import SpecError
from nasface.nas.candidates import CandidateTable, Pair
from nasface.nas.derive import NodePaths, NodeRules, genotype_of_paths
from nasface.nas.mixture import GatedOp, InputSlot, PathMixture
from nasface.nas.rules import OUT, GatedRule, width_of
from nasface.random_streams import Purpose, stream


def random_genotype(
    space: SearchSpace, seed: int, index: int = 0, name: str = "random"
) -> Genotype:
    """Return a genotype whose nodes each have a pair drawn with equal probabilities.

    A node that keeps several of its edges, but not all, draws the others with equal probabilities
    as well, and an operation on each. Where nodes choose their combine rule, or cells their width,
    it is drawn likewise. ``index`` numbers the genotypes of a seed.
    """
    paths: dict[str, NodePaths] = {}
    rules: dict[str, NodeRules] = {}
    for at, cell in enumerate(space.cells):
        if cell not in space.leaders:
            continue
        table = CandidateTable.of(space, cell)
        generator = stream(seed, Purpose.RANDOM_CELLS, index, at)
        paths[cell] = tuple(
            random_pairs(edges, node.kept, generator)
            for node, edges in zip(table.graph.nodes, table.slots, strict=True)
        )
        # Behind the pairs, so that spaces that differ in their rules alone have the same pairs.
        rules[cell] = tuple(each[generator.integers(len(each))] for each in table.rules.rules)
    provenance = Provenance(seed=seed, step=index, policy="random")
    return genotype_of_paths(space, paths, rules, name=name, provenance=provenance)


def random_pairs(
    edges: tuple[tuple[Pair, ...], ...], kept: int, generator: np.random.Generator
) -> tuple[Pair, ...]:
    """Return a pair on each edge that a node keeps, of the pairs that each edge into it may
    carry."""
    if kept == len(edges):
        return tuple(pairs[generator.integers(len(pairs))] for pairs in edges)
    every = [pair for pairs in edges for pair in pairs]
    first = every[generator.integers(len(every))]
    return with_random_others(first, edges, kept, generator)


def with_random_others(
    first: Pair, edges: tuple[tuple[Pair, ...], ...], kept: int, generator: np.random.Generator
) -> tuple[Pair, ...]:
    """Return a pair, then random ones on ``kept`` - 1 of the other edges."""
    others = [pairs for pairs in edges if pairs[0][0] != first[0]]
    drawn = [others[at] for at in generator.permutation(len(others))[: kept - 1]]
    return (first, *(pairs[generator.integers(len(pairs))] for pairs in drawn))


def mixture_of(space: SearchSpace, genotype: Genotype) -> dict[str, PathMixture]:
    """Return the path by which a supernet of the space computes the cells of a genotype.

    Cells of the genotype that are not the space's, such as those in front of it, do not count; of
    the space's it may lack those that have 0 among their widths.

    Raises:
        SpecError: naming the cell or node that the space does not hold.
    """
    columns = {name: at for at, name in enumerate(space.operations)}
    found = {}
    for cell in space.cells:
        if cell not in genotype.cells:
            check_may_omit(space, genotype, cell)
            found[cell] = PathMixture((), rules={width_of(cell): (GatedRule(OUT),)})
            continue
        gene = genotype.cells[cell]
        genes = {node.name: node.edges for node in gene.nodes}
        try:
            kept = edges_of(space.cells[cell], gene)
            rules = _rules_of(space.cells[cell], gene)
            check_width(space.cells[cell], gene)
        except SpecError as error:
            raise SpecError(f"genotype {genotype.name!r}: cells.{cell}.{error}") from None
        if len(space.cells[cell].widths) > 1:
            rules[width_of(cell)] = (GatedRule(width_name(gene.width)),)
        found[cell] = PathMixture(
            tuple(
                tuple(
                    InputSlot(GatedOp(at, columns[edge.operation]))
                    for at, edge in zip(edges, genes[node.name], strict=True)
                )
                for node, edges in zip(space.cells[cell].nodes, kept, strict=True)
            ),
            rules=rules,
        )
    return found


def _rules_of(graph: CellGraph, gene: CellGene) -> dict[str, tuple[GatedRule, ...]]:
    """Return the rules of the nodes that have a choice."""
    chosen = {node.name: node.combine for node in gene.nodes}
    found: dict[str, tuple[GatedRule, ...]] = {}
    for node in graph.nodes:
        if chosen[node.name] not in node.rules:
            raise SpecError(
                f"nodes.{node.name}: {chosen[node.name]} is no candidate; expected "
                f"{', '.join(node.rules)}"
            )
        if len(node.rules) > 1:
            found[node.name] = (GatedRule(chosen[node.name]),)
    return found

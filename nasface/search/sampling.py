"""Cells drawn at random, and the path of a cell that is given as a genotype."""

from nasface.arch.genotype import CellGene, EdgeGene, Genotype, Provenance
from nasface.arch.space import SearchSpace
from nasface.errors import SpecError
from nasface.search.candidates import CandidateTable, Pair
from nasface.search.derive import NodePaths, genotype_of_paths
from nasface.search.policy import GatedOp, InputSlot, PathMixture, UniformPath
from nasface.search.supernet import ArchitectureParameters


def random_genotype(space: SearchSpace, seed: int, name: str = "random") -> Genotype:
    """A genotype whose nodes each have a pair drawn with equal probabilities."""
    arch_parameters = ArchitectureParameters(space)
    for parameter in arch_parameters.parameters():
        parameter.requires_grad_(False)
    paths: dict[str, NodePaths] = {}
    for cell, mixture in arch_parameters.mixture(UniformPath(), seed=seed, step=0).items():
        assert isinstance(mixture, PathMixture)
        paths[cell] = tuple(
            tuple((slot.chosen.edge, slot.chosen.column) for slot in node) for node in mixture.slots
        )
    return genotype_of_paths(
        space, paths, name=name, provenance=Provenance(seed=seed, policy="random")
    )


def mixture_of(space: SearchSpace, genotype: Genotype) -> dict[str, PathMixture]:
    """What a supernet of the space executes to compute what the genotype stands for.

    Cells of the genotype that are not the space's, such as those in front of it, are left out.

    Raises:
        SpecError: naming the cell or node that the space does not hold.
    """
    found = {}
    for cell in space.cells:
        if cell not in genotype.cells:
            raise SpecError(f"genotype {genotype.name!r}: cell {cell!r} of {space.name} is missing")
        path = _path(space, cell, genotype.cells[cell])
        found[cell] = PathMixture(
            tuple(tuple(InputSlot(GatedOp(*pair)) for pair in node) for node in path)
        )
    return found


def _path(space: SearchSpace, cell: str, gene: CellGene) -> NodePaths:
    table = CandidateTable.of(space, cell)
    columns = {name: at for at, name in enumerate(space.operations)}
    graph, nodes = table.graph, {node.name: node for node in gene.nodes}
    path = []
    for node, edges in zip(graph.nodes, graph.edges_into, strict=True):
        free, pairs = list(edges), []
        for wanted in nodes[node.name].edges if node.name in nodes else ():
            column = columns.get(wanted.operation, -1)
            at = next((e for e in free if _fits(table, (e, column), wanted)), None)
            if at is None:
                raise SpecError(
                    f"genotype: {cell}.{node.name}: {wanted.operation} from {wanted.source} is no "
                    f"candidate of space {space.name}"
                )
            free.remove(at)
            pairs.append((at, column))
        if len(pairs) != node.kept:
            raise SpecError(f"genotype: {cell}.{node.name}: expected {node.kept} edges")
        path.append(tuple(pairs))
    return tuple(path)


def _fits(table: CandidateTable, pair: Pair, wanted: EdgeGene) -> bool:
    at, column = pair
    edge = table.graph.edges[at]
    return (
        column >= 0
        and (edge.source, edge.transform) == (wanted.source, wanted.transform)
        and bool(table.eligible_EO[pair])
    )

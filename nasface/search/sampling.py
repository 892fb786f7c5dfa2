"""Cells drawn at random, and the path of a cell that is given as a genotype."""

from nasface.arch.genotype import Genotype, Provenance, edges_of
from nasface.arch.space import SearchSpace
from nasface.errors import SpecError
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
    columns = {name: at for at, name in enumerate(space.operations)}
    found = {}
    for cell in space.cells:
        if cell not in genotype.cells:
            raise SpecError(f"genotype {genotype.name!r}: cell {cell!r} of {space.name} is missing")
        gene = genotype.cells[cell]
        genes = {node.name: node.edges for node in gene.nodes}
        try:
            kept = edges_of(space.cells[cell], gene)
        except SpecError as error:
            raise SpecError(f"genotype {genotype.name!r}: cells.{cell}.{error}") from None
        found[cell] = PathMixture(
            tuple(
                tuple(
                    InputSlot(GatedOp(at, columns[edge.operation]))
                    for at, edge in zip(edges, genes[node.name], strict=True)
                )
                for node, edges in zip(space.cells[cell].nodes, kept, strict=True)
            )
        )
    return found

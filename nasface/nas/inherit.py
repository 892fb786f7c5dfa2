"""Weight inheritance: a derived module starts from the weights that a supernet has learned."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from nasface.arch.genotype import CellGene, Genotype, check_width, edges_of
from nasface.arch.graph import width_name
from nasface.arch.operations import OPERATIONS
from nasface.arch.space import check_may_omit
from nasface.errors import ConfigError
from nasface.nas.edge import SearchEdge
from nasface.nas.rules import SearchedCombine
from nasface.nas.search_cell import SearchCell
from nasface.nas.supernet import Supernet
from nasface.nas.widths import SearchedWidth
from nasface.nn.cell import FixedCell, FixedModule
from nasface.nn.combine import Concat, SearchedConcat, WeightedSum
from nasface.nn.keys import module_key


@torch.no_grad()
def inherit_weights(supernet: Supernet, genotype: Genotype, module: FixedModule) -> None:
    """Give the cells of a module the weights and statistics that they have in a supernet.

    The module then computes what the supernet does on the path of the genotype, up to rounding, in
    training and in evaluation mode: operations, combine rules, projections and normalisations are
    the same functions there. Candidates of a supernet without learned scales get scales of one.
    Cells that are not of the supernet's space, such as those of a prefix, stay as they are.

    Args:
        supernet: with ``partial`` 1, at the end at least; with others an operation has learned on
            fewer channels than it has in the module.
        genotype: of that space.
        module: as :func:`nasface.nn.cell.build_module` makes it of the genotype, with as many
            channels as the supernet.

    Raises:
        ConfigError: for partial channels, for operations that a supernet normalises and a module
            does not (pooling), and for a module of another width. SpecError: if the genotype is not
            of the space.
    """
    space = supernet.space
    if supernet.partial > 1:
        raise ConfigError(
            f"partial_channels: {supernet.partial} of space {space.name}; expected 1, so "
            "that operations have the channels of the derived module"
        )
    for name in space.cells:
        if name not in genotype.cells:
            check_may_omit(space, genotype, name)
            continue
        cell = supernet.cells[module_key(name)]
        if isinstance(cell, SearchedWidth):
            check_width(cell.graph, genotype.cells[name])
            cell = cell.of_width(width_name(genotype.cells[name].width))
        target = cast(FixedCell, module.cells[module_key(name)])
        try:
            _inherit_cell(cast(SearchCell, cell), genotype.cells[name], target)
        except RuntimeError as problem:  # torch's, where shapes differ
            raise ConfigError(
                f"cell {name!r}: the module has another width than the supernet: "
                f"{str(problem).splitlines()[-1].strip()}"
            ) from None


def _inherit_cell(cell: SearchCell, gene: CellGene, target: FixedCell) -> None:
    graph = cell.graph
    kept = edges_of(graph, gene)
    target.entries.load_state_dict(cell.entries.state_dict())
    operations = iter(target.edges)
    for node, edges, into in zip(gene.nodes, kept, graph.edges_into, strict=True):
        for edge, chosen in zip(edges, node.edges, strict=True):
            source = cast(SearchEdge, cell.edges[edge])
            if OPERATIONS[chosen.operation].needs_norm and len(source.operations) > 1:
                raise ConfigError(
                    f"operation {chosen.operation}: a supernet normalises it and a derived module "
                    "does not, so its weights cannot be inherited"
                )
            _load(next(operations), source.operations[module_key(chosen.operation)])
        combine = cell.combine[module_key(node.name)]
        if isinstance(combine, SearchedCombine):
            combine = combine.rules[module_key(node.combine)]
        numbers = [edge - into.start for edge in edges]
        _inherit_rule(combine, numbers, target.combine[module_key(node.name)])
    for output in gene.outputs if target.projections else ():
        layers = cast(nn.Sequential, target.projections[str(output.level)])
        parts = [cast(nn.Conv2d, cell.projections[module_key(each)]) for each in output.sources]
        weight = torch.cat([part.weight for part in parts], dim=1)
        layers[0].load_state_dict({"weight": weight})
        if cell.finish:
            _load(layers[1], cast(nn.Sequential, cell.finish[str(output.level)])[0])


def _inherit_rule(source: nn.Module, numbers: Sequence[int], target: nn.Module) -> None:
    """Copy the parameters of a rule for the edges of these numbers, in their order."""
    if isinstance(source, WeightedSum) and isinstance(target, WeightedSum):
        target.scale.copy_(source.scale[list(numbers)])
    elif isinstance(source, SearchedConcat) and isinstance(target, Concat):
        merges = [cast(nn.Conv2d, source.merge[number]) for number in numbers]
        target.merge.weight.copy_(torch.cat([each.weight for each in merges], dim=1))
    else:
        target.load_state_dict(source.state_dict())


def _load(target: nn.Module, source: nn.Module) -> None:
    """Load weights and statistics; scales and shifts that the source lacks become one and zero."""
    for norm in target.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.affine:
            nn.init.ones_(norm.weight)
            nn.init.zeros_(norm.bias)
    own = target.state_dict()
    target.load_state_dict({**own, **source.state_dict()})

"""Parts of supernets and paths through them."""

from typing import Any, cast

import torch
from strategies import one_cell, random_choices
from torch import Tensor, nn

from nasface.arch.genotype import Genotype
from nasface.arch.space import SearchSpace
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.candidates import CandidateTable, Pair, pair_scores, select
from nasface.nas.derive import NodePaths
from nasface.nas.edge import SearchEdge
from nasface.nas.inherit import inherit_weights
from nasface.nas.mixture import GatedOp, InputSlot, PathMixture
from nasface.nas.sampling import mixture_of
from nasface.nas.search_cell import SearchCell
from nasface.nas.supernet import Supernet
from nasface.nn.cell import build_module

LEVELS = (3, 4, 5)


def cell_of(supernet: Supernet, name: str) -> SearchCell:
    return cast(SearchCell, supernet.cells[name])


def edge_of(supernet: Supernet, name: str, edge: int) -> SearchEdge:
    return cast(SearchEdge, cell_of(supernet, name).edges[edge])


def random_paths(space: SearchSpace, seed: int) -> dict[str, NodePaths]:
    alphas, betas = random_choices(space, seed, ties=False)
    paths = {}
    for cell in space.cells:
        table = CandidateTable.of(space, cell)
        beta = None if betas is None else betas[cell]
        paths[cell] = select(table, pair_scores(table, alphas[cell], beta))
    return paths


def set_choices(
    arch_parameters: ArchitectureParameters, space: SearchSpace, seed: int, *, ties: bool
) -> None:
    alphas, betas = random_choices(space, seed, ties=ties)
    with torch.no_grad():
        for cell, alpha in alphas.items():
            arch_parameters.alpha[cell].copy_(torch.from_numpy(alpha))
            if betas is not None:
                arch_parameters.beta[cell].copy_(torch.from_numpy(betas[cell]))


def plain(paths: dict[str, NodePaths]) -> dict[str, PathMixture]:
    """The paths as mixtures without gates, as a weight step runs them."""
    return {
        cell: PathMixture(
            tuple(tuple(InputSlot(GatedOp(*pair)) for pair in pairs) for pairs in path)
        )
        for cell, path in paths.items()
    }


def three_edges(keep: int | str, **changes: Any) -> SearchSpace:
    """One node with an edge from each of three inputs; columns none, skip, conv_1x1, sep_3x3."""
    few = {"source": "y", "operations": ["conv_1x1", "sep_3x3"]}
    edges = [{"source": "x"}, few, {"source": "z"}]
    node = {"name": "a", "level": 2, "keep": keep, "edges": edges}
    return one_cell([node], inputs=("x", "y", "z"), **{"edge_normalisation": True, **changes})


def run_pair(supernet: Supernet, pair: Pair, inputs: list[Tensor]) -> Tensor:
    edge = cast(SearchEdge, cast(SearchCell, supernet.cells["c"]).edges[pair[0]])
    with torch.no_grad():
        return cast(Tensor, edge.operations[edge.column_names[pair[1]]](inputs[pair[0]]))


def features_of(channels: int, seed: int) -> dict[int, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        level: torch.randn(2, channels, 96 >> level, 64 >> level, generator=generator)
        for level in LEVELS
    }


def moved(supernet: Supernet) -> Supernet:
    """With weights and statistics that are no longer those of the start."""
    for norm in supernet.modules():
        if isinstance(norm, nn.BatchNorm2d):
            cast(Tensor, norm.running_mean).normal_(0, 0.1)
            cast(Tensor, norm.running_var).uniform_(0.5, 2)
    for parameter in supernet.weights():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return supernet


def check_inherited(supernet: Supernet, genotype: Genotype, seed: int, *, training: bool) -> None:
    """Derive a module of 8 channels with the weights of a supernet: it computes the same maps."""
    module = build_module(genotype, 8, LEVELS)
    inherit_weights(supernet, genotype, module)
    features = features_of(8, seed)
    with torch.no_grad():
        expected = supernet.train(training)(features, mixture_of(supernet.space, genotype))
        found = module.train(training)(features)
    for level in LEVELS:
        torch.testing.assert_close(found[level], expected[level], rtol=1e-4, atol=1e-5)

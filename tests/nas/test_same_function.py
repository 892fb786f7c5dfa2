"""A path of the supernet computes what the module derived from it computes."""

from dataclasses import replace
from typing import cast

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import CHANNELS, LEVELS, features, spaces
from supernets import cell_of, edge_of, plain, random_paths
from torch import nn

from nasface.arch.io import load_search_space
from nasface.arch.space import SearchSpace
from nasface.nas.derive import NodePaths, genotype_of_paths
from nasface.nas.supernet import Supernet
from nasface.nn.cell import FixedCell, FixedModule
from nasface.nn.combine import Concat, SearchedConcat, WeightedSum


def copy_weights(supernet: Supernet, paths: dict[str, NodePaths], module: FixedModule) -> None:
    """Fill a derived module with the weights that the supernet uses on a path."""
    for cell, graph in supernet.space.cells.items():
        search, fixed = cell_of(supernet, cell), cast(FixedCell, module.cells[cell])
        at, first = 0, 0
        for node, pairs in zip(graph.nodes, paths[cell], strict=True):
            for edge, column in pairs:
                name = supernet.space.operations[column]
                operation = edge_of(supernet, cell, edge).operations[name]
                fixed.edges[at].load_state_dict(operation.state_dict())
                at += 1
            inside = [edge - first for edge, _ in pairs]
            if node.combine == "weighted_sum":
                shares = cast(WeightedSum, search.combine[node.name]).scale[inside]
                cast(WeightedSum, fixed.combine[node.name]).scale.data.copy_(shares)
            if node.combine == "concat":
                merge = cast(SearchedConcat, search.combine[node.name]).merge
                whole = cast(Concat, fixed.combine[node.name]).merge
                join([cast(nn.Conv2d, merge[i]) for i in inside], whole)
            first += len(node.edges)
        for output in fixed.gene.outputs:
            if fixed.gene.projection == "none":
                continue
            target = cast(nn.Sequential, fixed.projections[str(output.level)])
            join([cast(nn.Conv2d, search.projections[n]) for n in output.sources], target[0])
            if fixed.gene.projection == "conv_norm_relu":
                finish = cast(nn.Sequential, search.finish[str(output.level)])
                target[1].load_state_dict(finish[0].state_dict())


def join(parts: list[nn.Conv2d], whole: nn.Module) -> None:
    """Convolutions of parts, put together along the input channels."""
    weight = torch.cat([part.weight for part in parts], dim=1)
    cast(nn.Conv2d, whole).weight.data.copy_(weight)


def check_same_function(space: SearchSpace, paths: dict[str, NodePaths], base: int) -> None:
    torch.manual_seed(0)
    supernet = Supernet(replace(space, partial_channels=1), CHANNELS, affine=True).double()
    for key, value in supernet.state_dict().items():
        if value.is_floating_point() and "running" not in key:
            value.copy_(0.5 * torch.randn_like(value))
    module = FixedModule(genotype_of_paths(space, paths), CHANNELS).double()
    copy_weights(supernet, paths, module)
    levels = range(2, 8) if base == 128 else LEVELS
    x = features(levels, base=base, dtype=torch.float64)
    mixture = plain(paths)
    for training in (True, False):  # the second with the running averages of the first
        supernet.train(training)
        module.train(training)
        expected, found = supernet(x, mixture), module(x)
        assert expected.keys() == found.keys()
        for level, value in expected.items():
            assert torch.isfinite(value).all()
            torch.testing.assert_close(found[level], value, rtol=1e-5, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(spaces(pooling=False, partial=(1,)), st.integers(0, 1000))
def test_a_path_computes_what_its_genotype_computes(space: SearchSpace, seed: int) -> None:
    """Without pooling: among several candidates it carries a normalisation, derived it does not."""
    check_same_function(space, random_paths(space, seed), 32)


def test_a_path_of_autofem_computes_what_its_genotype_computes() -> None:
    space = load_search_space("autofem", {"nodes": 4})
    check_same_function(space, random_paths(space, 0), 128)

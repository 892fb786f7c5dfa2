"""What the supernet executes, computes and keeps in memory."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from strategies import CHANNELS, LEVELS, features, per_node, space_of, spaces
from supernets import cell_of, edge_of, plain, random_paths
from torch import Tensor, nn

from nasface.arch.graph import CellGraph
from nasface.arch.io import load_search_space
from nasface.arch.space import SearchSpace
from nasface.errors import ConfigError
from nasface.nas.derive import NodePaths, genotype_of_paths
from nasface.nas.mixture import SoftMixture
from nasface.nas.policy import ArgmaxPath, Policy, Softmax
from nasface.nas.supernet import Supernet
from nasface.nn.cell import FixedModule
from nasface.nn.cost import count_saved_bytes

PACKAGED = range(2, 8)
Key = tuple[str, int, str]
"""(cell, edge, operation)"""


# --- what is executed


def watch(supernet: Supernet) -> Counter[Key]:
    """Counts the calls of every operation module."""
    calls: Counter[Key] = Counter()
    for cell in supernet.space.cells:
        for at in range(len(supernet.space.cells[cell].edges)):
            for name, operation in edge_of(supernet, cell, at).operations.items():
                operation.register_forward_hook(
                    lambda *_, key=(cell, at, name): calls.update([key])
                )
    return calls


def keys(space: SearchSpace, paths: dict[str, NodePaths]) -> Counter[Key]:
    return Counter(
        (cell, edge, space.operations[column])
        for cell, path in paths.items()
        for pairs in path
        for edge, column in pairs
    )


def open_slots(graph: CellGraph) -> int:
    """Slots with a rival: all of a node that drops an edge, else those with several operations."""
    total = 0
    for node in graph.nodes:
        if node.keep != "all" and node.keep < len(node.edges):
            total += node.keep
        else:
            total += sum(len(set(edge.operations) - {"none"}) > 1 for edge in node.edges)
    return total


def check_executed(space: SearchSpace, levels: range | tuple[int, ...], base: int) -> None:
    supernet = Supernet(space, CHANNELS)
    calls = watch(supernet)
    x = features(levels, base=base)
    kept = {
        cell: sum(len(n.edges) if n.keep == "all" else n.keep for n in graph.nodes)
        for cell, graph in space.cells.items()
    }
    for probes in (0, 1):
        for weight_step in (True, False):
            supernet.arch_parameters.requires_grad_(not weight_step)
            calls.clear()
            mixture = supernet.arch_parameters.mixture(ArgmaxPath(probes=probes), seed=0, step=0)
            supernet(x, mixture)
            on_path = keys(space, {cell: per_node(each) for cell, each in mixture.items()})
            assert not on_path - calls
            for cell, graph in space.cells.items():
                total = sum(count for key, count in calls.items() if key[0] == cell)
                probed = 0 if weight_step else probes * open_slots(graph)
                assert total == kept[cell] + probed
            if weight_step or not probes:
                assert calls == on_path


@pytest.mark.parametrize("name", ["autofem", "autofem-cpm", "autofem-fpn"])
def test_argmax_runs_one_operation_per_kept_edge(name: str) -> None:
    space = load_search_space(name)
    check_executed(space, PACKAGED, 128)
    for cell, graph in space.cells.items():
        if cell.startswith("cpm"):
            assert len(graph.nodes) == 6
            assert all(node.keep == 1 for node in graph.nodes)


@settings(max_examples=40, deadline=None)
@given(spaces())
def test_argmax_runs_one_operation_per_kept_edge_of_any_space(space: SearchSpace) -> None:
    check_executed(space, LEVELS, 32)


def test_softmax_runs_every_candidate_once() -> None:
    space = load_search_space("autofem-cpm", {"nodes": 4})
    supernet = Supernet(space, CHANNELS)
    calls = watch(supernet)
    supernet(
        features(PACKAGED, base=128), supernet.arch_parameters.mixture(Softmax(), seed=0, step=0)
    )
    assert len(calls) == 6 * 8 * 10
    assert set(calls.values()) == {1}


@pytest.mark.parametrize("name", ["autofem", "autofem-cpm", "autofem-fpn"])
def test_only_the_path_gets_a_gradient(name: str) -> None:
    """Off the path it is None, so momentum and decay leave those weights alone."""
    space = load_search_space(name)
    supernet = Supernet(space, CHANNELS, affine=True)
    paths = random_paths(space, 3)
    outputs = supernet(features(PACKAGED, base=128), plain(paths))
    sum((value**2).sum() for value in outputs.values()).backward()
    genotype = genotype_of_paths(space, paths)
    wanted: set[str] = set()
    for cell, edge, operation in keys(space, paths):
        wanted.add(f"cells.{cell}.edges.{edge}.operations.{operation}.")
    for cell, gene in genotype.cells.items():
        wanted |= {f"cells.{cell}.projections.{n}." for o in gene.outputs for n in o.sources}
        wanted |= {f"cells.{cell}.finish.{output.level}." for output in gene.outputs}
        for node in gene.nodes:
            if node.combine == "weighted_sum":
                wanted.add(f"cells.{cell}.combine.{node.name}.scale")
    for key, parameter in supernet.named_parameters():
        assert (parameter.grad is not None) == key.startswith(tuple(wanted)), key


# --- what is computed


def shuffled(x: Tensor, groups: int) -> Tensor:
    channels = x.shape[1]
    return torch.stack(
        [x[:, (c % groups) * (channels // groups) + c // groups] for c in range(channels)], dim=1
    )


@pytest.mark.parametrize("partial", [1, 4])
@pytest.mark.parametrize("stride", [False, True])
def test_softmax_by_loop(partial: int, stride: bool) -> None:
    """PC-DARTS: 1/K of the channels through the mixture, the rest (pooled) beside it, shuffled."""
    space = space_of(
        {
            "format": 1,
            "name": "pc-darts",
            "operations": ["none", "max_pool_3x3", "skip", "sep_3x3"],
            "partial_channels": partial,
            "edge_normalisation": True,
            "cells": {
                "c": {
                    "inputs": [{"name": "x", "level": 2}, {"name": "y", "level": 2}],
                    "dense": {
                        "nodes": 2,
                        "keep": 2,
                        "input_transform": "stride" if stride else "none",
                    },
                    "output": {"rule": "cat-all", "projection": "none"},
                }
            },
        }
    )
    supernet = Supernet(space, 8).double()
    inputs = [torch.randn(2, 8, 6, 6, dtype=torch.float64) for _ in range(2)]
    nn.init.normal_(supernet.arch_parameters.alpha["c"])
    nn.init.normal_(supernet.arch_parameters.beta["c"])
    mixture = supernet.arch_parameters.mixture(Softmax(), seed=0, step=0)
    found = cell_of(supernet, "c")(inputs, mixture["c"])[3 if stride else 2]

    alpha, beta = supernet.arch_parameters.alpha["c"], supernet.arch_parameters.beta["c"]
    values, edge = list(inputs), 0
    for node in range(2):
        shares = beta[edge : edge + 2 + node].softmax(0)
        total = torch.zeros((), dtype=torch.float64)
        for at in range(2 + node):
            x = values[at]
            inside, around = x[:, : 8 // partial], x[:, 8 // partial :]
            weights = alpha[edge].softmax(0)
            mixed = torch.zeros((), dtype=torch.float64)
            for column, name in enumerate(("none", "max_pool_3x3", "skip", "sep_3x3")):
                operation = edge_of(supernet, "c", edge).operations[name]
                mixed = mixed + weights[column] * operation(inside)
            if partial > 1:
                if stride and at < 2:
                    around = nn.functional.max_pool2d(around, 2, 2)
                mixed = shuffled(torch.cat([mixed, around], dim=1), partial)
            total = total + shares[at] * mixed
            edge += 1
        values.append(total)
    torch.testing.assert_close(found, torch.cat(values[2:], dim=1))


def test_pooling_among_several_candidates_is_normalised() -> None:
    space = space_of(
        {
            "format": 1,
            "name": "pools",
            "operations": ["skip", "max_pool_3x3"],
            "cells": {
                "c": {
                    "inputs": [{"name": "x", "level": 2}],
                    "nodes": [
                        {"name": "a", "level": 2, "edges": [{"source": "x"}]},
                        {
                            "name": "b",
                            "level": 2,
                            "edges": [{"source": "x", "operations": ["avg_pool_3x3"]}],
                        },
                    ],
                    "output": {"rule": "cat-all", "projection": "conv"},
                }
            },
        }
    )
    supernet = Supernet(space, 4)
    x = 3 + torch.randn(2, 4, 6, 6)
    pooled = edge_of(supernet, "c", 0).path(x, 1, None)
    assert pooled.mean((0, 2, 3)).abs().max() < 1e-5
    assert edge_of(supernet, "c", 1).path(x, 2, None).mean() > 2


def test_partial_channels_divide_the_weights_of_searched_edges_only() -> None:
    space = load_search_space("autofem-fpn")
    supernet = Supernet(space, 16)
    for at, edge in enumerate(space.cells["fpn"].edges):
        widths = {p.shape[0] for p in edge_of(supernet, "fpn", at).parameters() if p.dim() == 4}
        assert widths == (set() if edge.operations == ("skip",) else {4})


def test_cells_follow_one_another_and_replace_levels() -> None:
    space = load_search_space("autofem", {"nodes": 4})
    supernet = Supernet(space, CHANNELS).eval()
    mixture = plain(random_paths(space, 0))
    x = features(range(1, 9), base=256)
    found = supernet(x, mixture)
    assert list(found) == list(x)
    fpn = cell_of(supernet, "fpn")([x[level] for level in PACKAGED], mixture["fpn"])
    for level in PACKAGED:
        name = f"cpm_c{level}"
        expected = cell_of(supernet, name)([fpn[level]], mixture[name])[level]
        torch.testing.assert_close(found[level], expected)
    assert found[1] is x[1]
    assert found[8] is x[8]


# --- memory and state


def kept_bytes(module: nn.Module, x: dict[int, Tensor], *arguments: object) -> int:
    with count_saved_bytes(*module.parameters(), *module.buffers(), *x.values()) as saved:
        module(x, *arguments)
    return saved.total


@pytest.mark.parametrize("partial", [1, 4])
def test_a_path_keeps_as_much_as_the_derived_module(partial: int) -> None:
    space = replace(load_search_space("autofem-cpm"), partial_channels=partial)
    supernet = Supernet(space, 32)
    supernet.arch_parameters.requires_grad_(False)
    x = features(PACKAGED, 32, base=128)

    def search_bytes(policy: Policy) -> int:
        return kept_bytes(supernet, x, supernet.arch_parameters.mixture(policy, seed=0, step=0))

    argmax = search_bytes(ArgmaxPath())
    assert argmax <= 0.15 * search_bytes(Softmax())
    mixture = supernet.arch_parameters.mixture(ArgmaxPath(), seed=0, step=0)
    paths = {cell: per_node(each) for cell, each in mixture.items()}
    module = FixedModule(genotype_of_paths(space, paths), 32)
    assert argmax <= 1.15 * kept_bytes(module, x)


@pytest.mark.parametrize("policy", [ArgmaxPath(probes=1), Softmax()], ids=["argmax", "softmax"])
def test_bfloat16_keeps_the_gradients_of_architecture_parameters(policy: Policy) -> None:
    """Those of float64 are the measure; every convolution runs in bfloat16."""
    torch.manual_seed(0)
    space = load_search_space("autofem2-cpm", {"partial": 2, "levels": "2-5"})
    supernet = Supernet(space, CHANNELS)
    kinds: set[torch.dtype] = set()
    for module in supernet.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _m, _x, y: kinds.add(y.dtype))

    def gradients(kind: torch.dtype, half: bool) -> Tensor:
        supernet.to(kind)
        supernet.zero_grad()
        x = {level: each.to(kind) for level, each in features(range(2, 6), base=64).items()}
        mixture = supernet.arch_parameters.mixture(policy, seed=0, step=0)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found = supernet(x, mixture)
        upon = torch.Generator().manual_seed(1)
        sum(
            (each.to(kind) * torch.randn(each.shape, generator=upon)).mean()
            for each in found.values()
        ).backward()
        return torch.cat(
            [
                each.grad.flatten()
                for each in supernet.arch_parameters.parameters()
                if each.grad is not None
            ]
        )

    exact = gradients(torch.double, half=False)
    kinds.clear()
    found = gradients(torch.float32, half=True)
    assert kinds == {torch.bfloat16}
    assert found.dtype == torch.float32
    assert (found - exact).norm() < 0.1 * exact.norm()


def test_probes_keep_almost_nothing_in_addition() -> None:
    """A probe adds its output, which its gate needs, and no activation inside it."""
    space = load_search_space("autofem-cpm", {"nodes": 4})
    supernet = Supernet(space, 32)
    supernet.cells.requires_grad_(False)
    x = features(PACKAGED, 32, base=128)
    without, with_probes = (
        kept_bytes(
            supernet, x, supernet.arch_parameters.mixture(ArgmaxPath(probes=n), seed=0, step=0)
        )
        for n in (0, 1)
    )
    maps = 4 * sum(value.numel() * value.element_size() for value in x.values())
    assert without < with_probes <= without + maps + 10_000


def test_a_mixture_concatenates_the_nodes_that_may_become_leaves() -> None:
    space = load_search_space("autofem", {"nodes": 4})
    supernet = Supernet(space, CHANNELS)
    used: set[str] = set()
    for cell in ("fpn", "cpm_c2"):
        for name, module in cell_of(supernet, cell).projections.items():
            module.register_forward_hook(lambda *_, key=f"{cell}.{name}": used.add(key))
    mixture = supernet.arch_parameters.mixture(Softmax(), seed=0, step=0)
    assert isinstance(mixture["fpn"], SoftMixture)
    supernet(features(PACKAGED, base=128), mixture)
    outs = {f"fpn.out{level}" for level in PACKAGED}
    assert used == outs | {f"cpm_c2.n{at}" for at in (1, 2, 3, 4)}


@pytest.mark.parametrize("channels", [0, 6, 10])
def test_channels_that_cannot_be_divided_are_named(channels: int) -> None:
    space = load_search_space("autofem-cpm", {"nodes": 4, "partial": 4})
    with pytest.raises(ConfigError, match=f"channels: {channels}, expected a multiple of 4"):
        Supernet(space, channels)

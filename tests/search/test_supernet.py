"""What the supernet executes, computes and keeps in memory."""

from collections import Counter
from dataclasses import replace
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import CHANNELS, LEVELS, features, per_node, random_choices, space_of, spaces
from torch import Tensor, nn

from nasface.build import FixedCell, FixedModule
from nasface.ops.cost import count_saved_bytes
from nasface.search.choice import ChoiceTable, pair_scores, select
from nasface.search.derive import Path, genotype_of_paths
from nasface.search.policy import ArgmaxPath, PathMixture, Policy, Slot, Softmax, SoftMixture, Trial
from nasface.search.supernet import SearchCell, SearchEdge, Supernet
from nasface.spec.graph import CellGraph
from nasface.spec.space import SearchSpace
from nasface.spec.store import load_search_space

PACKAGED = range(2, 8)
Key = tuple[str, int, str]
"""(cell, edge, operation)"""


def cell_of(supernet: Supernet, name: str) -> SearchCell:
    return cast(SearchCell, supernet.cells[name])


def edge_of(supernet: Supernet, name: str, edge: int) -> SearchEdge:
    return cast(SearchEdge, cell_of(supernet, name).edges[edge])


def random_paths(space: SearchSpace, seed: int) -> dict[str, Path]:
    alphas, betas = random_choices(space, seed, ties=False)
    paths = {}
    for cell in space.cells:
        table = ChoiceTable.of(space, cell)
        beta = None if betas is None else betas[cell]
        paths[cell] = select(table, pair_scores(table, alphas[cell], beta))
    return paths


def plain(paths: dict[str, Path]) -> dict[str, PathMixture]:
    """The paths as mixtures without gates, as a weight step runs them."""
    return {
        cell: PathMixture(tuple(tuple(Slot(Trial(*pair)) for pair in pairs) for pairs in path))
        for cell, path in paths.items()
    }


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


def keys(space: SearchSpace, paths: dict[str, Path]) -> Counter[Key]:
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
            supernet.choices.requires_grad_(not weight_step)
            calls.clear()
            mixture = supernet.choices.mixture(ArgmaxPath(probes=probes), seed=0, step=0)
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
    supernet(features(PACKAGED, base=128), supernet.choices.mixture(Softmax(), seed=0, step=0))
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
                wanted.add(f"cells.{cell}.scales.{node.name}")
    for key, parameter in supernet.named_parameters():
        assert (parameter.grad is not None) == key.startswith(tuple(wanted)), key


# --- what is computed


def copy_weights(supernet: Supernet, paths: dict[str, Path], module: FixedModule) -> None:
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
                fixed.scales[node.name].data.copy_(search.scales[node.name][inside])
            if node.combine == "concat":
                merge = cast(nn.ModuleList, search.merges[node.name])
                join([cast(nn.Conv2d, merge[i]) for i in inside], fixed.merges[node.name])
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


def check_same_function(space: SearchSpace, paths: dict[str, Path], base: int) -> None:
    torch.manual_seed(0)
    supernet = Supernet(replace(space, partial_channels=1), CHANNELS, affine=True).double()
    for key, value in supernet.state_dict().items():
        if value.is_floating_point() and "running" not in key:
            value.copy_(0.5 * torch.randn_like(value))
    module = FixedModule(genotype_of_paths(space, paths), CHANNELS).double()
    copy_weights(supernet, paths, module)
    levels = PACKAGED if base == 128 else LEVELS
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
    nn.init.normal_(supernet.choices.alpha["c"])
    nn.init.normal_(supernet.choices.beta["c"])
    mixture = supernet.choices.mixture(Softmax(), seed=0, step=0)
    found = cell_of(supernet, "c")(inputs, mixture["c"])[3 if stride else 2]

    alpha, beta = supernet.choices.alpha["c"], supernet.choices.beta["c"]
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
    supernet.choices.requires_grad_(False)
    x = features(PACKAGED, 32, base=128)

    def search_bytes(policy: Policy) -> int:
        return kept_bytes(supernet, x, supernet.choices.mixture(policy, seed=0, step=0))

    argmax = search_bytes(ArgmaxPath())
    assert argmax <= 0.15 * search_bytes(Softmax())
    mixture = supernet.choices.mixture(ArgmaxPath(), seed=0, step=0)
    paths = {cell: per_node(each) for cell, each in mixture.items()}
    module = FixedModule(genotype_of_paths(space, paths), 32)
    assert argmax <= 1.15 * kept_bytes(module, x)


def test_probes_keep_almost_nothing_in_addition() -> None:
    """A probe adds its output, which its gate needs, and no activation inside it."""
    space = load_search_space("autofem-cpm", {"nodes": 4})
    supernet = Supernet(space, 32)
    supernet.cells.requires_grad_(False)
    x = features(PACKAGED, 32, base=128)
    without, with_probes = (
        kept_bytes(supernet, x, supernet.choices.mixture(ArgmaxPath(probes=n), seed=0, step=0))
        for n in (0, 1)
    )
    maps = 4 * sum(value.numel() * value.element_size() for value in x.values())
    assert without < with_probes <= without + maps + 10_000


@settings(max_examples=20, deadline=None)
@given(spaces())
def test_choice_weights_are_part_of_the_state(space: SearchSpace) -> None:
    supernet, other = Supernet(space, CHANNELS), Supernet(space, CHANNELS)
    wanted = {f"choices.alpha.{cell}" for cell in space.cells}
    if space.edge_normalisation:
        wanted |= {f"choices.beta.{cell}" for cell in space.cells}
    state = supernet.state_dict()
    assert {key for key in state if key.startswith("choices.")} == wanted
    other.load_state_dict(state)
    for mine, theirs in zip(supernet.choices.parameters(), other.choices.parameters(), strict=True):
        assert torch.equal(mine, theirs)
        assert mine.abs().max() < 0.01
    everything = {id(p) for p in supernet.parameters()}
    weights = {id(p) for p in supernet.weights()}
    assert weights | {id(p) for p in supernet.choices.parameters()} == everything
    assert not weights & {id(p) for p in supernet.choices.parameters()}


def test_choice_weights_come_from_the_generator() -> None:
    space = load_search_space("autofem-cpm", {"nodes": 4})
    first, second = (
        Supernet(space, CHANNELS, generator=torch.Generator().manual_seed(7)) for _ in range(2)
    )
    for one, other in zip(first.choices.parameters(), second.choices.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_mixture_concatenates_the_nodes_that_may_become_leaves() -> None:
    space = load_search_space("autofem", {"nodes": 4})
    supernet = Supernet(space, CHANNELS)
    used: set[str] = set()
    for cell in ("fpn", "cpm_c2"):
        for name, module in cell_of(supernet, cell).projections.items():
            module.register_forward_hook(lambda *_, key=f"{cell}.{name}": used.add(key))
    mixture = supernet.choices.mixture(Softmax(), seed=0, step=0)
    assert isinstance(mixture["fpn"], SoftMixture)
    supernet(features(PACKAGED, base=128), mixture)
    outs = {f"fpn.out{level}" for level in PACKAGED}
    assert used == outs | {f"cpm_c2.n{at}" for at in (1, 2, 3, 4)}

"""What the policies run, how often, and the gradients of their gates against closed forms."""

from collections import Counter
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import POLICIES, one_cell, per_node, random_choices, spaces
from supernets import run_pair, three_edges
from torch import Tensor, nn

from nasface.arch.io import load_search_space
from nasface.arch.space import SearchSpace
from nasface.nas.candidates import CandidateTable, Pair, pair_scores
from nasface.nas.coverage import Coverage
from nasface.nas.derive import NodePaths, derive, genotype_of_paths
from nasface.nas.edge import SearchEdge
from nasface.nas.policy import (
    ArgmaxPath,
    GatedOp,
    GumbelPath,
    InputSlot,
    PathMixture,
    Policy,
    Softmax,
    SoftMixture,
    StepRandom,
    UniformPath,
)
from nasface.nas.supernet import ArchitectureParameters, SearchCell, Supernet

INPUTS = ("x", "y", "z")


def path_of(
    policy: Policy, space: SearchSpace, alpha: Tensor, beta: Tensor | None, step: int = 0
) -> NodePaths:
    with torch.no_grad():
        mixture = policy.mix(CandidateTable.of(space, "c"), alpha, beta, StepRandom(0, 0, step))
    return per_node(mixture)


# --- which path


def set_choices(
    arch_parameters: ArchitectureParameters, space: SearchSpace, seed: int, *, ties: bool
) -> None:
    alphas, betas = random_choices(space, seed, ties=ties)
    with torch.no_grad():
        for cell, alpha in alphas.items():
            arch_parameters.alpha[cell].copy_(torch.from_numpy(alpha))
            if betas is not None:
                arch_parameters.beta[cell].copy_(torch.from_numpy(betas[cell]))


@settings(max_examples=200, deadline=None)
@given(spaces(), st.integers(0, 10_000), st.booleans())
def test_argmax_runs_what_would_be_derived(space: SearchSpace, seed: int, ties: bool) -> None:
    arch_parameters = ArchitectureParameters(space)
    set_choices(arch_parameters, space, seed, ties=ties)
    mixture = arch_parameters.mixture(ArgmaxPath(), seed=0, step=0)
    paths = {cell: per_node(each) for cell, each in mixture.items()}
    derived = derive(space, *random_choices(space, seed, ties=ties))
    assert genotype_of_paths(space, paths) == derived


def test_argmax_tells_apart_what_only_its_logarithm_confuses() -> None:
    """Probabilities that differ in the last place may have the same float32 logarithm."""
    space = load_search_space("autofem-cpm")
    arch_parameters = ArchitectureParameters(space)
    for alpha in arch_parameters.alpha.values():
        nn.init.zeros_(alpha)
        alpha.data[:, 7] = 1.3e-7
    for beta in arch_parameters.beta.values():
        nn.init.zeros_(beta)
    mixture = arch_parameters.mixture(ArgmaxPath(), seed=0, step=0)
    paths = {cell: per_node(each) for cell, each in mixture.items()}
    alphas, betas = (
        {cell: weights.detach().numpy() for cell, weights in kind.items()}
        for kind in (arch_parameters.alpha, arch_parameters.beta)
    )
    derived = derive(space, alphas, betas)
    assert {n.edges[0].operation for g in derived.cells.values() for n in g.nodes} == {
        "conv_1x3_3x1"
    }
    assert genotype_of_paths(space, paths) == derived


@pytest.mark.parametrize("policy", [ArgmaxPath(), ArgmaxPath(noise=1.0), GumbelPath()])
def test_a_probability_that_rounds_to_zero_still_leaves_a_valid_path(policy: Policy) -> None:
    space = three_edges("all")
    alpha = torch.zeros(3, 4)
    alpha[:, 0] = 500  # none takes it all; the middle edge does not even offer column 0
    alpha[1] = torch.tensor([0.0, 0.0, 500.0, 0.0])
    path = path_of(policy, space, alpha, torch.tensor([300.0, -300.0, 0.0]))
    for (edge, column), at in zip(path[0], range(3), strict=True):
        assert edge == at
        assert space.operations[column] in set(space.cells["c"].edges[at].operations) - {"none"}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_step_can_be_repeated(policy: str) -> None:
    space = load_search_space("autofem-cpm", {"nodes": 4})
    arch_parameters = ArchitectureParameters(space, torch.Generator().manual_seed(0))

    def run(seed: int, step: int) -> list[str]:
        return [
            str(each)
            for each in arch_parameters.mixture(POLICIES[policy], seed=seed, step=step).values()
        ]

    assert run(1, 2) == run(1, 2)
    random = policy not in ("softmax", "argmax")
    assert (run(1, 2) != run(1, 3)) == random
    assert (run(1, 2) != run(2, 2)) == random
    if random:  # cells draw independently
        first, *others = arch_parameters.mixture(POLICIES[policy], seed=1, step=2).values()
        assert any(per_node(first) != per_node(o) for o in others)


def test_uniform_visits_each_candidate_once_in_a_round() -> None:
    space = load_search_space("autofem-cpm")
    arch_parameters = ArchitectureParameters(space).requires_grad_(False)
    coverage = Coverage(arch_parameters.tables)
    counts: Counter[tuple[str, Pair]] = Counter()
    assert coverage.unvisited() == coverage.candidates() == 6 * 8 * 21
    for step in range(48):
        mixture = arch_parameters.mixture(UniformPath(), seed=5, step=step)
        coverage.add(mixture)
        for cell, each in mixture.items():
            counts.update((cell, pair) for pair in per_node(each)[5])
    assert coverage.unvisited() == 0
    # node i has 8 * i candidates, so 48 steps are 6 / i rounds
    assert set(counts.values()) == {1}
    assert len(counts) == 6 * 48
    for cell in space.cells:
        assert coverage.counts[cell][0].tolist() == [6] * 8
        assert coverage.counts[cell][1:3].tolist() == [[3] * 8] * 2
        assert coverage.counts[cell][3:6].tolist() == [[2] * 8] * 3


def test_uniform_rounds_are_shuffled_anew() -> None:
    space = load_search_space("autofem-cpm", {"nodes": 4})
    arch_parameters = ArchitectureParameters(space).requires_grad_(False)

    def first_node(seed: int, round_: int) -> list[Pair]:
        return [
            per_node(
                arch_parameters.mixture(UniformPath(), seed=seed, step=8 * round_ + at)["cpm_c2"]
            )[0][0]
            for at in range(8)
        ]

    orders = [first_node(0, 0), first_node(0, 1), first_node(1, 0)]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert all(sorted(order) == [(0, column) for column in range(8)] for order in orders)


def test_uniform_on_nodes_that_keep_several_edges() -> None:
    """keep=all: a turn per edge. keep=2: one slot in turn, the other at random on another edge."""
    everything = three_edges("all")
    alpha = torch.zeros(3, 4)
    seen = Counter(
        pair
        for step in range(6)
        for pair in path_of(UniformPath(), everything, alpha, None, step)[0]
    )
    assert seen == {
        (e, c): 3 if e == 1 else 2 for e in range(3) for c in (1, 2, 3) if (e, c) != (1, 1)
    }
    two = three_edges(2)
    seen = Counter()
    for step in range(8 * 40):
        ((first, second),) = path_of(UniformPath(), two, alpha, None, step)
        assert first[0] != second[0]
        seen[first] += 1
    assert set(seen.values()) == {40}
    assert len(seen) == 8


@pytest.mark.parametrize("policy", [GumbelPath(temperature=3.0), ArgmaxPath(noise=1.0)])
def test_sampled_paths_have_the_frequencies_of_the_probabilities(policy: Policy) -> None:
    """Pearson's statistic of 4000 draws over 8 pairs; its 99.9 % point at 7 degrees is 24.3."""
    space = three_edges(1)
    random = np.random.default_rng(0)
    alpha, beta = random.normal(size=(3, 4)), random.normal(size=3)
    table = CandidateTable.of(space, "c")
    scores = pair_scores(table, alpha.astype(np.float32), beta.astype(np.float32))
    expected = np.where(table.eligible_EO, scores, 0).astype(float)
    expected /= expected.sum()
    count, draws = 4000, np.zeros((3, 4))
    for step in range(count):
        (pair,) = path_of(policy, space, torch.tensor(alpha), torch.tensor(beta), step)[0]
        draws[pair] += 1
    assert not draws[~table.eligible_EO].any()
    at = table.eligible_EO
    assert ((draws[at] - count * expected[at]) ** 2 / (count * expected[at])).sum() < 24.3


def test_noise_scales_from_the_argmax_to_the_sample() -> None:
    space = three_edges(1)
    alpha = torch.zeros(3, 4)
    alpha[2, 3] = 2.0
    hits = []
    for noise in (0.0, 0.1, 1.0):
        paths = [path_of(ArgmaxPath(noise=noise), space, alpha, None, step) for step in range(300)]
        hits.append(paths.count((((2, 3),),)))
    assert hits[0] == 300 > hits[1] > hits[2] > 300 / 8


# --- gradients of gates

Case = tuple[SearchSpace, Supernet, list[Tensor], Tensor]


def case(keep: int | str, normalised: bool = True) -> Case:
    space = three_edges(keep, edge_normalisation=normalised)
    torch.manual_seed(0)
    supernet = Supernet(space, 4).double()
    set_choices(supernet.arch_parameters, space, 1, ties=False)
    inputs = [torch.randn(2, 4, 5, 5, dtype=torch.float64) for _ in INPUTS]
    return space, supernet, inputs, torch.randn(2, 4, 5, 5, dtype=torch.float64)


def closed_form(
    supernet: Supernet, compared: list[Pair], gradient_of_gate: dict[Pair, float]
) -> tuple[Tensor, Tensor]:
    """dL/dalpha and dL/dbeta of one slot: p_j (d_j - sum_k p_k d_k) on each log-score j.

    p is the categorical over ``compared``; d_k = <dL/dy, o_k> for the pairs that were run.
    """
    table = supernet.arch_parameters.tables["c"]
    alpha = supernet.arch_parameters.alpha["c"].detach()
    beta = (
        supernet.arch_parameters.beta["c"].detach()
        if "c" in supernet.arch_parameters.beta
        else None
    )
    offered = torch.from_numpy(table.offered_EO)
    share = (alpha.exp() * offered) / (alpha.exp() * offered).sum(1, keepdim=True)
    edge_share = torch.ones(3) if beta is None else beta.exp() / beta.exp().sum()
    weight = torch.stack([share[e, o] * edge_share[e] for e, o in compared])
    p = weight / weight.sum()
    mean = sum(p[k] * gradient_of_gate.get(pair, 0.0) for k, pair in enumerate(compared))
    d_alpha, d_beta = torch.zeros_like(alpha), torch.zeros(3, dtype=alpha.dtype)
    for j, (edge, column) in enumerate(compared):
        push = p[j] * (gradient_of_gate.get((edge, column), 0.0) - mean)
        d_alpha[edge, column] += push
        d_alpha[edge] -= push * share[edge]
        if beta is not None:
            d_beta[edge] += push
            d_beta -= push * edge_share
    return d_alpha, d_beta


def competitors(
    space: SearchSpace, keep: int | str, pair: Pair, path: tuple[Pair, ...]
) -> list[Pair]:
    """The pairs that could stand in the slot of ``pair``, itself first."""
    columns = {0: (1, 2, 3), 1: (2, 3), 2: (1, 2, 3)}
    taken = {edge for edge, _ in path} - {pair[0]}
    edges = [pair[0]] if keep == "all" else [edge for edge in columns if edge not in taken]
    return [pair, *((e, o) for e in edges for o in columns[e] if (e, o) != pair)]


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("probes", [0, 1, 2])
@pytest.mark.parametrize("keep", [1, 2, "all"])
def test_gate_gradient_is_the_closed_form(keep: int | str, probes: int, normalised: bool) -> None:
    space, supernet, inputs, weights = case(keep, normalised)
    mixture = supernet.arch_parameters.mixture(ArgmaxPath(probes=probes), seed=0, step=0)["c"]
    assert isinstance(mixture, PathMixture)
    outputs = cast(SearchCell, supernet.cells["c"])(inputs, mixture)
    (outputs[2] * weights).sum().backward()

    d_alpha = torch.zeros(3, 4, dtype=torch.float64)
    d_beta = torch.zeros(3, dtype=torch.float64)
    (path,) = per_node(mixture)
    for slot, pair in zip(mixture.slots[0], path, strict=True):
        rivals = competitors(space, keep, pair, path)
        probed = [(trial.edge, trial.column) for trial in slot.probes]
        assert len(probed) == min(probes, len(rivals) - 1)
        assert set(probed) <= set(rivals[1:])
        executed = [pair, *probed]
        inner = {p: float((weights * run_pair(supernet, p, inputs)).sum()) for p in executed}
        slot_alpha, slot_beta = closed_form(supernet, executed if probes else rivals, inner)
        d_alpha += slot_alpha
        d_beta += slot_beta
    grad = supernet.arch_parameters.alpha["c"].grad
    assert grad is not None
    assert grad.abs().max() > 1e-3
    torch.testing.assert_close(grad, d_alpha, atol=1e-9, rtol=1e-6)
    if normalised:
        torch.testing.assert_close(
            supernet.arch_parameters.beta["c"].grad, d_beta, atol=1e-9, rtol=1e-6
        )


def test_gates_do_not_change_the_output() -> None:
    _, supernet, inputs, _ = case(2)
    cell = cast(SearchCell, supernet.cells["c"])
    gated = supernet.arch_parameters.mixture(ArgmaxPath(probes=1), seed=0, step=0)["c"]
    with torch.no_grad():
        plain = supernet.arch_parameters.mixture(ArgmaxPath(probes=1), seed=0, step=0)["c"]
    assert isinstance(plain, PathMixture)
    assert all(slot.chosen.gate is None and not slot.probes for slot in plain.slots[0])
    torch.testing.assert_close(cell(inputs, gated)[2], cell(inputs, plain)[2], rtol=0, atol=1e-12)


def test_temperature_divides_the_gradient_of_a_sample() -> None:
    """At a very high temperature p is uniform: dL/dlogit_j = (delta_j - 1/n) d / (n T)."""
    _, supernet, inputs, weights = case("all", normalised=False)
    temperature = 1e6
    mixture = supernet.arch_parameters.mixture(GumbelPath(temperature=temperature), seed=0, step=0)[
        "c"
    ]
    assert isinstance(mixture, PathMixture)
    (cast(SearchCell, supernet.cells["c"])(inputs, mixture)[2] * weights).sum().backward()
    chosen = per_node(mixture)[0][1]
    inner = (weights * run_pair(supernet, chosen, inputs)).sum() / (2 * temperature)
    expected = torch.zeros(4, dtype=torch.float64)
    for column in (2, 3):  # the middle edge offers two operations and no none
        expected[column] = inner * ((column == chosen[1]) - 0.5)
    grad = supernet.arch_parameters.alpha["c"].grad
    assert grad is not None
    torch.testing.assert_close(grad[1], expected, rtol=1e-4, atol=1e-12)


def test_a_probe_reads_the_derivative_of_mixing_its_rival_in() -> None:
    """Finite differences of a nonlinear loss behind a second node, the rival added by a hook."""
    space = one_cell(
        [
            {"name": "a", "level": 2, "keep": 1, "edges": [{"source": "x"}]},
            {
                "name": "b",
                "level": 2,
                "combine": "product",
                "edges": [{"source": "a"}, {"source": "x"}],
            },
        ]
    )
    torch.manual_seed(0)
    supernet = Supernet(space, 4, affine=True).double()
    cell = cast(SearchCell, supernet.cells["c"])
    edge = cast(SearchEdge, cell.edges[0])
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    # No ReLU behind the node, since finite differences stumble over its kink.
    rest = ((InputSlot(GatedOp(1, 1)), InputSlot(GatedOp(2, 3))),)

    def loss(first: InputSlot) -> Tensor:
        return cast(Tensor, cell([x], PathMixture(((first,), *rest)))[2].sin().sum())

    for chosen, rival in ((2, 3), (3, 2), (1, 3), (2, 1)):
        gate = torch.zeros((), dtype=torch.float64, requires_grad=True)
        torch.autograd.backward(loss(InputSlot(GatedOp(0, chosen), (GatedOp(0, rival, gate),))))

        def mixed(weight: float, chosen: int = chosen, rival: int = rival) -> float:
            other = edge.operations[edge.column_names[rival]]
            handle = edge.operations[edge.column_names[chosen]].register_forward_hook(
                lambda _module, arguments, output: output + weight * other(*arguments)
            )
            with torch.no_grad():
                value = float(loss(InputSlot(GatedOp(0, chosen))))
            handle.remove()
            return value

        step = 1e-5
        slope = (mixed(step) - mixed(-step)) / (2 * step)
        assert abs(slope) > 1e-3
        assert gate.grad is not None
        assert float(gate.grad) == pytest.approx(slope, rel=1e-5)


def test_softmax_is_a_mixture_of_all_candidates() -> None:
    space = three_edges(1)
    table = CandidateTable.of(space, "c")
    alpha, beta = torch.randn(3, 4), torch.randn(3)
    mixture = Softmax().mix(table, alpha, beta, StepRandom(0, 0, 0))
    assert isinstance(mixture, SoftMixture)
    assert mixture.gates_E is not None
    for edge, columns in enumerate(space.candidates("c")):
        total = sum(alpha[edge, column].exp() for column in columns)
        for column in range(4):
            expected = alpha[edge, column].exp() / total if column in columns else torch.zeros(())
            torch.testing.assert_close(mixture.weights_EO[edge, column], expected)
    torch.testing.assert_close(mixture.gates_E, beta.exp() / beta.exp().sum())
    bare = Softmax().mix(table, alpha, None, StepRandom(0, 0, 0))
    assert isinstance(bare, SoftMixture)
    assert bare.gates_E is None
    torch.testing.assert_close(bare.weights_EO, mixture.weights_EO)

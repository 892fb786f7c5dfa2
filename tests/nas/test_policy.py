"""What the policies run, and how often."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import POLICIES, per_node, random_choices, spaces
from supernets import set_choices, three_edges
from torch import Tensor, nn

from nasface.arch.io import load_search_space
from nasface.arch.space import SearchSpace
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.candidates import CandidateTable, Pair, pair_scores
from nasface.nas.coverage import Coverage
from nasface.nas.derive import NodePaths, derive, genotype_of_paths
from nasface.nas.mixture import SoftMixture
from nasface.nas.policy import ArgmaxPath, GumbelPath, Policy, Softmax, StepRandom, UniformPath


def path_of(
    policy: Policy, space: SearchSpace, alpha: Tensor, beta: Tensor | None, step: int = 0
) -> NodePaths:
    with torch.no_grad():
        mixture = policy.mix(CandidateTable.of(space, "c"), alpha, beta, StepRandom(0, 0, step))
    return per_node(mixture)


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

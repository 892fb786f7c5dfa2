"""Expected sizes against sums over all paths and against measured networks."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import one_cell, random_choices, spaces

from nasface.arch.io import load_search_space
from nasface.arch.space import SearchSpace
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost, detector_cost_penalty
from nasface.errors import ConfigError
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.candidates import CandidateTable
from nasface.nas.config import CostPenaltyConfig
from nasface.nas.cost_penalty import (
    CostPenalty,
    Measure,
    counted_cost,
    expected_cost,
    operation_costs,
)
from nasface.nas.derive import derive
from nasface.nn.cell import FixedModule
from nasface.nn.cost import count_parameters

SIZES = {level: (64 >> level, 64 >> level) for level in range(7)}
CONFIG = DetectorConfig(channels=16, head_layers=1)


def decided(space: SearchSpace, seed: int) -> dict[str, torch.Tensor]:
    """Architecture parameters so far apart that the best of each edge has all the probability.

    They are 20 apart: were they further, the best behind ``none`` would underflow to a probability
    of 0 in single precision, tied with the others.
    """
    alphas, _ = random_choices(space, seed, ties=False)
    ranks = {cell: values.argsort(axis=1).argsort(axis=1) for cell, values in alphas.items()}
    return {cell: torch.from_numpy(20.0 * rank).float() for cell, rank in ranks.items()}


@settings(max_examples=30, deadline=None)
@given(spaces(), st.integers(0, 1000))
def test_parameters_of_a_decided_cell_are_those_of_the_built_one(
    space: SearchSpace, seed: int
) -> None:
    alphas = decided(space, seed)
    genotype = derive(space, {cell: values.numpy() for cell, values in alphas.items()})
    module = FixedModule(genotype, 8)
    for cell, graph in space.cells.items():
        if any(node.kept < len(node.edges) for node in graph.nodes):
            continue  # the best operations of two edges are tied at a probability of one
        costs = operation_costs(space, cell, SIZES, counted_cost(8, "parameters"))
        table = CandidateTable.of(space, cell)
        found = expected_cost(table, alphas[cell], None, torch.from_numpy(costs))
        built = module.get_submodule(f"cells.{cell}.edges")
        assert float(found) == pytest.approx(count_parameters(built), abs=1e-3)


def test_expectation_is_the_sum_over_all_paths() -> None:
    """One node keeps one of two edges, one keeps both."""
    edges = [{"source": "x"}, {"source": "y"}]
    space = one_cell(
        [
            {"name": "a", "level": 2, "keep": 1, "edges": edges},
            {"name": "b", "level": 2, "edges": edges},
        ],
        inputs=("x", "y"),
        edge_normalisation=True,
    )
    table = CandidateTable.of(space, "c")
    random = np.random.default_rng(0)
    alpha = torch.tensor(random.normal(size=(4, 4)), dtype=torch.float64)
    beta = torch.tensor(random.normal(size=4), dtype=torch.float64)
    costs = torch.tensor(random.uniform(1, 9, size=(4, 4)))
    probability = alpha.softmax(1) * torch.cat([beta[:2].softmax(0), beta[2:].softmax(0)])[:, None]
    open_ = [(edge, column) for edge in range(4) for column in (1, 2, 3)]
    weight = {pair: float(probability[pair]) for pair in open_}
    total = expected = 0.0
    for first, second, third in product(open_[:6], open_[6:9], open_[9:]):
        share = weight[first] * weight[second] * weight[third]
        total += share
        expected += share * float(costs[first] + costs[second] + costs[third])
    found = expected_cost(table, alpha, beta, costs)
    assert float(found) == pytest.approx(expected / total)


@pytest.mark.parametrize("measure", ["macs", "parameters"])
def test_a_decided_detector_has_the_size_of_the_built_one(measure: Measure) -> None:
    space = load_search_space("autofem", {"nodes": 4})
    cost_penalty = detector_cost_penalty(CONFIG, space, (256, 320), measure)
    arch_parameters = ArchitectureParameters(space, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for values in (*arch_parameters.alpha.values(), *arch_parameters.beta.values()):
            values.mul_(1e6)
    alphas = {cell: value.detach().numpy() for cell, value in arch_parameters.alpha.items()}
    betas = {cell: value.detach().numpy() for cell, value in arch_parameters.beta.items()}
    genotype = derive(space, alphas, betas)
    total = detector_cost(CONFIG, genotype, 256, 320)[0]
    whole = total.macs if measure == "macs" else total.parameters
    # Apart from the projections, which depend on the number of leaves.
    assert float(cost_penalty.expected(arch_parameters).detach()) == pytest.approx(whole, rel=0.05)


def test_the_penalty_pulls_down_to_the_target_only() -> None:
    space = load_search_space("darts", {"nodes": 2})
    arch_parameters = ArchitectureParameters(space)
    sizes = {0: (8, 8), 1: (4, 4)}
    costs = {
        cell: operation_costs(space, cell, sizes, counted_cost(8, "macs")) for cell in space.cells
    }
    cost_penalty = CostPenalty(1000.0, costs)
    start = float(cost_penalty.expected(arch_parameters).detach())
    config = CostPenaltyConfig(weight=2.0, target=start / 3)
    assert float(cost_penalty.penalty(arch_parameters, config).detach()) == pytest.approx(
        2 * (3 - 1), rel=1e-6
    )
    optimizer = torch.optim.Adam(arch_parameters.parameters(), 0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss = cost_penalty.penalty(arch_parameters, config)
        if float(loss.detach()) == 0:
            break
        loss.backward()
        optimizer.step()
    assert float(cost_penalty.expected(arch_parameters).detach()) <= config.target
    assert float(cost_penalty.penalty(arch_parameters, config).detach()) == 0


def test_settings_out_of_range() -> None:
    for weight, target in ((1.0, 0.0), (-1.0, 1.0)):
        with pytest.raises(ConfigError, match="expected a weight of 0, or a weight and a target"):
            CostPenaltyConfig(weight=weight, target=target)

"""Strict fairness: what a step trains, counted, and its gradient against a plain sum."""

from collections import Counter

import pytest
import torch
from strategies import one_cell
from torch import Tensor

from nasface.arch.io import load_search_space
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.candidates import CandidateTable
from nasface.nas.config import BilevelConfig
from nasface.nas.fairness import FairPath, paths_per_step
from nasface.nas.mixture import GatedOp, InputSlot, Mixture, PathMixture
from nasface.nas.rules import GatedRule
from nasface.nas.searcher import BilevelSearcher, Schedule
from nasface.nas.supernet import Supernet

OPERATIONS = 7


@pytest.mark.parametrize(("keep", "kept"), [(1, (1, 1, 1, 1)), (2, (1, 2, 2, 2))])
def test_every_candidate_is_on_as_many_paths(keep: int, kept: tuple[int, ...]) -> None:
    """Nodes have 1, 2, 3 and 4 edges of seven operations; after as many paths as a node has
    candidates, each was on as many of them as the node keeps edges."""
    space = load_search_space("autofem2-cpm", levels="3-5", keep=keep)
    parameters = ArchitectureParameters(space)
    table = parameters.tables["cpm_c3"]
    assert paths_per_step(parameters.tables.values()) == 4 * OPERATIONS
    paths = [parameters.mixture(FairPath(), seed=2, step=at)["cpm_c3"] for at in range(84)]
    for node, edges in enumerate(table.graph.edges_into):
        size = OPERATIONS * (1 if kept[node] == len(edges) else len(edges))
        for first in range(0, 84, size):
            counts: Counter[tuple[int, int]] = Counter()
            for path in paths[first : first + size]:
                assert isinstance(path, PathMixture)
                pairs = [(slot.chosen.edge, slot.chosen.column) for slot in path.slots[node]]
                assert len({edge for edge, _ in pairs}) == kept[node]
                counts.update(pairs)
            assert set(counts.values()) == {1 if kept[node] == len(edges) else kept[node]}
            assert len(counts) == OPERATIONS * len(edges)
    for node in table.rules.open:
        name = table.rules.nodes[node]
        rules = Counter(path.rules[name][0].rule for path in paths)
        assert rules == {"sum": 28, "weighted_sum": 28, "product": 28}


def test_orders_change_from_round_to_round() -> None:
    space = load_search_space("autofem2-cpm", levels="3-5")
    parameters = ArchitectureParameters(space)
    rounds = [
        [str(parameters.mixture(FairPath(), seed=0, step=at)) for at in range(first, first + 28)]
        for first in (0, 28)
    ]
    assert rounds[0] != rounds[1]


def test_a_step_takes_the_mean_gradient_over_all_candidates() -> None:
    """One node on one edge with two operations, so that a step has to run just these two."""
    edges = [{"source": "x", "operations": ["conv_1x1", "sep_3x3"]}]
    space = one_cell([{"name": "a", "level": 2, "edges": edges}], inputs=("x",))
    torch.manual_seed(0)
    supernet = Supernet(space, 4)
    x = torch.randn(3, 4, 5, 5)

    def loss(batch: Tensor, mixture: Mixture, *, arch_step: bool) -> Tensor:
        total: Tensor = (supernet({2: batch}, mixture)[2] - 1).square().mean()
        return total

    weights = list(supernet.weights())
    expected: Tensor | float = 0.0
    columns = [space.operations.index(name) for name in ("conv_1x1", "sep_3x3")]
    for column in columns:
        path = PathMixture(((InputSlot(GatedOp(0, column)),),))
        expected = expected + loss(x, {"c": path}, arch_step=False) / 2
    assert isinstance(expected, Tensor)
    gradients = torch.autograd.grad(expected, weights)
    before = [each.detach().clone() for each in weights]
    searcher: BilevelSearcher[Tensor] = BilevelSearcher(
        supernet.arch_parameters,
        loss,
        torch.optim.SGD(weights, 0.1),
        BilevelConfig(policy="uniform", fairness="strict"),
        Schedule(1, 1),
        clip=1e9,
    )
    row = searcher.take_step(x, None)
    assert row["weight_loss"] == pytest.approx(float(expected.detach()), rel=1e-5)
    for weight, old, gradient in zip(weights, before, gradients, strict=True):
        torch.testing.assert_close(weight.detach(), old - 0.1 * gradient)
    assert searcher.coverage.counts["c"][0, columns].tolist() == [1, 1]


def test_rules_take_turns_too() -> None:
    rules = ["sum", "weighted_sum", "product"]
    edges = [{"source": name, "operations": ["skip"]} for name in ("x", "y")]
    space = one_cell(
        [{"name": "a", "level": 2, "edges": edges, "keep": "all", "combine": rules}],
        inputs=("x", "y"),
    )
    table = CandidateTable.of(space, "c")
    assert paths_per_step([table]) == 3
    parameters = ArchitectureParameters(space)
    found = [parameters.mixture(FairPath(), seed=0, step=at)["c"].rules["a"] for at in range(3)]
    assert sorted(found, key=str) == sorted(((GatedRule(rule),) for rule in rules), key=str)

"""A search in progress: schedule, options, exact resume."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nasface.arch.io import load_search_space
from nasface.arrays import Float32
from nasface.classification.layout import NetworkConfig
from nasface.classification.network import SearchClassifier
from nasface.errors import ConfigError
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.config import BilevelConfig, CostPenaltyConfig, policy_at
from nasface.nas.cost_penalty import CostPenalty, counted_cost, operation_costs
from nasface.nas.mixture import Mixture
from nasface.nas.policy import GumbelPath
from nasface.nas.searcher import BilevelSearcher, Schedule, searched_skips

Batch = tuple[Tensor, Tensor]
CONFIG = BilevelConfig(warmup_epochs=0, arch_lr=0.05)
SPACE = load_search_space("pc-darts", {"nodes": 2, "partial": 2})


def batch(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    labels = torch.randint(0, 3, (6,), generator=generator)
    return torch.randn(6, 3, 8, 8, generator=generator) + labels.view(-1, 1, 1, 1), labels


@cache
def costs() -> dict[str, Float32]:
    return {
        cell: operation_costs(SPACE, cell, {0: (8, 8), 1: (4, 4)}, counted_cost(4, "parameters"))
        for cell in SPACE.cells
    }


class Toy:
    """A tiny search: network and session."""

    def __init__(self, config: BilevelConfig, steps: int = 6, warmup: int = 2) -> None:
        torch.manual_seed(0)
        self.network = SearchClassifier(SPACE, NetworkConfig(channels=4, classes=3, layers=3))
        weights = list(self.network.weights())
        self.searcher: BilevelSearcher[Batch] = BilevelSearcher(
            self.network.arch_parameters,
            self.loss,
            torch.optim.SGD(weights, 0.05, momentum=0.9),
            config,
            Schedule(warmup, steps),
            cost_penalty=CostPenalty(0.0, costs()),
        )

    def loss(self, batch: Batch, mixture: Mixture, *, arch_step: bool) -> Tensor:
        return F.cross_entropy(self.network(batch[0], mixture), batch[1])

    def run(self, until: int) -> list[dict[str, float]]:
        rows = []
        while self.searcher.step < until:
            step = self.searcher.step
            choice = batch(1000 + step) if self.searcher.warm else None
            rows.append(self.searcher.take_step(batch(step), choice))
        return rows


@pytest.mark.parametrize(
    ("policy", "changes"),
    [
        *((policy, {}) for policy in ("argmax", "gumbel", "softmax", "uniform")),
        *((policy, {"order": "second"}) for policy in ("argmax", "gumbel", "softmax", "uniform")),
        ("argmax", {"fairness": "strict"}),
    ],
)
def test_stopped_and_resumed_is_the_uninterrupted_search(
    policy: str, changes: dict[str, Any]
) -> None:
    config = replace(CONFIG, policy=policy, every_edge=policy == "gumbel", **changes)
    whole, first, second = Toy(config), Toy(config), Toy(config)
    rows = whole.run(6)
    assert ["arch_loss" in row for row in rows] == [False] * 2 + [True] * 4
    kept = first.run(4)
    second.network.load_state_dict(first.network.state_dict())
    second.searcher.load(first.searcher.state())
    assert kept + second.run(6) == rows
    for key, value in whole.network.state_dict().items():
        assert torch.equal(second.network.state_dict()[key], value), key
    assert second.searcher.coverage.state() == whole.searcher.coverage.state()
    assert second.searcher.genotype("g") == whole.searcher.genotype("g")


def test_choices_are_frozen_in_the_warm_up() -> None:
    toy = Toy(CONFIG)
    start = [p.detach().clone() for p in toy.network.arch_parameters.parameters()]
    toy.run(2)
    now = list(toy.network.arch_parameters.parameters())
    assert all(torch.equal(a, b) for a, b in zip(now, start, strict=True))
    toy.run(3)
    assert not any(torch.equal(a, b) for a, b in zip(now, start, strict=True))


def test_the_size_limit_makes_cells_smaller() -> None:
    def size(config: BilevelConfig) -> float:
        toy = Toy(replace(config, arch_lr=0.3), steps=30, warmup=0)
        rows = toy.run(30)
        assert all("expected_size" in row for row in rows) == (config.cost_penalty.weight > 0)
        cost_penalty = toy.searcher.cost_penalty or Toy(limited).searcher.cost_penalty
        assert cost_penalty is not None
        return float(cost_penalty.expected(toy.network.arch_parameters).detach())

    limited = replace(CONFIG, cost_penalty=CostPenaltyConfig(weight=50.0, target=1.0))
    assert size(limited) < 0.5 * size(CONFIG)


def test_too_many_skips_by_hand() -> None:
    toy = Toy(replace(CONFIG, max_skip_connections=2), warmup=0)
    skip = SPACE.operations.index("skip")
    with torch.no_grad():
        toy.network.arch_parameters.alpha["reduce"][:, skip] += 10
    genotype = toy.searcher.genotype("g")
    assert searched_skips(SPACE, "reduce", genotype.cells["reduce"]) == 4
    assert toy.searcher.too_many_skips(genotype) is None, "before any architecture step"
    toy.searcher.step = 1
    assert toy.searcher.too_many_skips(genotype) == "reduce"
    toy.searcher.config = replace(CONFIG, max_skip_connections=4)
    assert toy.searcher.too_many_skips(genotype) is None
    toy.searcher.config = CONFIG
    assert toy.searcher.too_many_skips(genotype) is None


def test_fixed_skips_do_not_count() -> None:
    space = load_search_space("autofem-fpn")
    arch_parameters = ArchitectureParameters(space)
    with torch.no_grad():
        for alpha in arch_parameters.alpha.values():
            alpha[:, space.operations.index("skip")] -= 10
    toy = Toy(CONFIG)
    toy.searcher.space, toy.searcher.arch_parameters = space, arch_parameters
    genotype = toy.searcher.genotype("g")
    kept = [e.operation for n in genotype.cells["fpn"].nodes for e in n.edges]
    assert "skip" in kept
    assert searched_skips(space, "fpn", genotype.cells["fpn"]) == 0


def test_temperature_falls_linearly() -> None:
    config = replace(CONFIG, policy="gumbel", temperature=(10.0, 1.0))
    policies = [policy_at(config, step, 0, 9) for step in (0, 3, 9)]
    found = [each.temperature for each in policies if isinstance(each, GumbelPath)]
    assert found == pytest.approx([10.0, 7.0, 1.0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"warmup_epochs": -1}, "warmup_epochs: -1 is not 0 or more"),
        ({"noise": -1.0}, "noise -1.0, .* expected at least 0"),
        ({"noise_until": 0.0}, "noise_until 0.0"),
        ({"probes": -1}, "probes -1"),
        ({"temperature": (1.0, 0.0)}, r"temperature \(1.0, 0.0\), .* expected positive"),
        ({"arch_lr": 0.0}, "arch_lr 0.0"),
        ({"max_skip_connections": -1}, "max_skip_connections: -1 is not 0 or more, or none"),
    ],
)
def test_settings_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BilevelConfig(**changes)


def test_a_weight_without_anything_to_weigh() -> None:
    toy = Toy(CONFIG)
    config = replace(CONFIG, cost_penalty=CostPenaltyConfig(weight=1.0, target=10.0))
    with pytest.raises(ConfigError, match="needs the cost of the network"):
        BilevelSearcher(
            toy.network.arch_parameters,
            toy.loss,
            toy.searcher.optimizer,
            config,
            Schedule(0, 1),
        )


@pytest.mark.parametrize(("epochs", "warmup"), [(50, 20), (8, 3), (2, 0), (1, 0)])
def test_the_warm_up_follows_the_epochs(epochs: int, warmup: int) -> None:
    assert BilevelConfig().warmup_within(epochs) == warmup
    assert BilevelConfig(warmup_epochs=1).warmup_within(epochs) == 1

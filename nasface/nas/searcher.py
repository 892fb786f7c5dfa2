"""A bilevel search in progress: optimisers, policy, visits. Knows neither data nor loss."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from nasface.arch.genotype import CellGene, Genotype, Provenance
from nasface.arch.space import SearchSpace
from nasface.arrays import Float32
from nasface.errors import ConfigError
from nasface.nas.accumulator import Accumulator, SupportsLossParts, WholeBatch
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.bilevel import Gradient, arch_step, second_order_arch_step, weight_step
from nasface.nas.config import BilevelConfig, policy_at
from nasface.nas.cost_penalty import CostPenalty
from nasface.nas.coverage import Coverage, Decision, decisions
from nasface.nas.derive import derive
from nasface.nas.fairness import FairPath, paths_per_step
from nasface.nas.mixture import Mixture, PathMixture
from nasface.nas.policy import Policy, UniformPath
from nasface.nas.sensitivity import Sensitivity
from nasface.nn.keys import name_of
from nasface.nn.moments import load_optimizer
from nasface.random_streams import Purpose

Batch = TypeVar("Batch")
BatchIn = TypeVar("BatchIn", contravariant=True)


@dataclass(frozen=True)
class Schedule:
    """Steps of a search: ``warmup`` of the ``total`` leave the architecture parameters as they
    are."""

    warmup: int
    total: int


class SearchLoss(Protocol[BatchIn]):
    """What is minimised: the loss of a batch under a mixture."""

    def __call__(
        self, batch: BatchIn, mixture: Mixture, *, arch_step: bool
    ) -> Tensor | SupportsLossParts:
        """Run the network; ``arch_step`` says whether the architecture parameters learn, or the
        weights."""
        ...


class BilevelSearcher(Generic[Batch]):
    """The state of a search and its steps.

    Args:
        arch_parameters: of a supernet; what is searched is their space.
        loss: runs the network.
        optimizer: of all other parameters of the network; its learning rate is the caller's
            business.
        config: the method.
        schedule: how long.
        seed: of all random decisions of the policies.
        clip: largest norm of the gradient of the weights.
        cost_penalty: size of the network; needed where ``config.cost_penalty`` has a weight.
        accumulator: takes the gradients; by default of a whole batch at once.

    Raises:
        ConfigError: if a weight of ``config.cost_penalty`` has no cost to weigh.
    """

    def __init__(
        self,
        arch_parameters: ArchitectureParameters,
        loss: SearchLoss[Batch],
        optimizer: torch.optim.Optimizer,
        config: BilevelConfig,
        schedule: Schedule,
        *,
        seed: int = 0,
        clip: float = 5.0,
        cost_penalty: CostPenalty | None = None,
        accumulator: Accumulator[Batch] | None = None,
    ) -> None:
        if config.cost_penalty.weight and cost_penalty is None:
            raise ConfigError(
                f"cost_penalty: weight {config.cost_penalty.weight} needs the cost of the network"
            )
        self.space, self.arch_parameters = arch_parameters.space, arch_parameters
        self.loss, self.optimizer = loss, optimizer
        self.weights: list[nn.Parameter] = [
            each for group in optimizer.param_groups for each in group["params"]
        ]
        self.config, self.schedule, self.seed, self.clip = config, schedule, seed, clip
        self.cost_penalty = cost_penalty if config.cost_penalty.weight else None
        self.arch_optimizer = torch.optim.Adam(
            arch_parameters.parameters(),
            lr=config.arch_lr,
            betas=(0.5, 0.999),
            weight_decay=config.arch_weight_decay,
        )
        self.accumulator: Accumulator[Batch] = WholeBatch() if accumulator is None else accumulator
        self.coverage = Coverage(arch_parameters.tables)
        self.sensitivity = Sensitivity(arch_parameters)
        """Of the architecture steps since the searcher was made."""
        self.step = 0
        self.mixtures: list[Mixture] = []
        """What was executed last, one path or mixture after another."""

    @property
    def warm(self) -> bool:
        """Whether the next step moves the architecture parameters too."""
        return self.step >= self.schedule.warmup

    def policy(self, step: int) -> Policy:
        """Return the policy of a step, counted from 0."""
        return policy_at(self.config, step, self.schedule.warmup, self.schedule.total)

    def take_step(self, weight_batch: Batch, arch_batch: Batch | None) -> dict[str, float]:
        """Make one architecture step (none without a batch for it), then one weight step; return
        their losses, nan where one could not be made, and the parts of the loss of the weight
        step."""
        row = {}
        if arch_batch is not None:
            row["arch_loss"] = self._arch_step(weight_batch, arch_batch)
            if self.cost_penalty is not None:
                with torch.no_grad():
                    row["expected_size"] = float(self.cost_penalty.expected(self.arch_parameters))
        row["weight_loss"] = weight_step(
            self._weight_gradient(weight_batch),
            self.optimizer,
            list(self.arch_parameters.parameters()),
            self.clip,
        )
        if math.isfinite(row["weight_loss"]):
            for mixture in self.mixtures:
                self.coverage.add(mixture)
        self.step += 1
        parts = self.accumulator.figures.items()
        return row | {name: value for name, value in parts if name != "loss"}

    def _arch_step(self, weight_batch: Batch, arch_batch: Batch) -> float:
        gradient = self._arch_gradient(arch_batch)
        if self.config.order == "first":
            return arch_step(gradient, self.arch_optimizer, self.weights)
        return second_order_arch_step(
            gradient,
            self._weight_gradient(weight_batch),
            self.arch_optimizer,
            self.weights,
            self.optimizer,
        )

    def _weight_gradient(self, batch: Batch) -> Gradient:
        def gradient(parameters: Sequence[nn.Parameter]) -> float:
            for part in self.accumulator(batch, parameters):
                self.mixtures = self._weight_mixtures()
                share = 1 / len(self.mixtures)
                for mixture in self.mixtures:
                    loss = self.loss(part, mixture, arch_step=False)
                    self.accumulator.backward(loss, share)
            return self.accumulator.figures["loss"]

        return gradient

    def _arch_gradient(self, batch: Batch) -> Gradient:
        def gradient(parameters: Sequence[nn.Parameter]) -> float:
            for part in self.accumulator(batch, parameters):
                mixture = self._mixture(self.policy(self.step), self.step, Purpose.ARCH_PATHS)
                self.mixtures = [mixture]
                self.accumulator.backward(self.loss(part, mixture, arch_step=True))
            self.sensitivity.add(self.arch_parameters)
            return self.accumulator.figures["loss"] + self._add_penalty()

        return gradient

    def _add_penalty(self) -> float:
        """Add the gradient of the cost penalty, which depends on no batch; return its value."""
        if self.cost_penalty is None:
            return 0.0
        penalty = self.cost_penalty.penalty(self.arch_parameters, self.config.cost_penalty)
        penalty.backward()
        return float(penalty.detach())

    def _weight_mixtures(self) -> list[Mixture]:
        """Return what a weight step executes on each of its images."""
        policy = self.policy(self.step)
        if self.config.fairness == "expected" or not isinstance(policy, UniformPath):
            return [self._mixture(policy, self.step, Purpose.WEIGHT_PATHS)]
        count = paths_per_step(self.arch_parameters.tables.values())
        return [
            self._mixture(FairPath(), self.step * count + at, Purpose.WEIGHT_PATHS)
            for at in range(count)
        ]

    def _mixture(self, policy: Policy, number: int, purpose: Purpose) -> Mixture:
        return self.arch_parameters.mixture(policy, seed=self.seed, step=number, purpose=purpose)

    def executed(self) -> Iterator[Tensor | str]:
        """Give the step, the architecture parameters, and what was executed last."""
        yield str(self.step)
        yield from self.arch_parameters.parameters()
        for cell in (cell for mixture in self.mixtures for cell in mixture.values()):
            if isinstance(cell, PathMixture):
                yield str(cell.pairs)
            else:
                yield cell.weights_EO
            yield str([[each.rule for each in rules] for rules in cell.rules.values()])

    def arrays(self) -> tuple[dict[str, Float32], dict[str, Float32], dict[str, Float32]]:
        """Return copies of the architecture parameters by cell: alphas, betas (with edge
        normalisation) and gammas (where nodes choose their combine rule, or cells their width)."""
        parameters = self.arch_parameters
        alpha, beta, gamma = (
            {name_of(key): value.detach().cpu().numpy().copy() for key, value in kind.items()}
            for kind in (parameters.alpha, parameters.beta, parameters.gamma)
        )
        return alpha, beta, gamma

    def genotype(self, name: str, provenance: Provenance | None = None) -> Genotype:
        """Derive the genotype of the current architecture parameters."""
        alphas, betas, gammas = self.arrays()
        return derive(self.space, alphas, betas or None, gammas, name=name, provenance=provenance)

    def report(self) -> list[Decision]:
        """Return the entropy, margin and visits of every choice."""
        return decisions(self.coverage, *self.arrays())

    def too_many_skips(self, genotype: Genotype) -> str | None:
        """Return the first cell with more skip connections than ``max_skip_connections`` allows, if
        any."""
        most = self.config.max_skip_connections
        if most is None or self.step <= self.schedule.warmup:
            return None
        for name in self.space.cells:
            gene = genotype.cells.get(name)
            if gene is not None and searched_skips(self.space, name, gene) > most:
                return name
        return None

    def state(self) -> dict[str, Any]:
        """Return the state to save in a checkpoint, beside the weights of the network."""
        return {
            "step": self.step,
            "weight_optimizer": self.optimizer.state_dict(),
            "arch_optimizer": self.arch_optimizer.state_dict(),
            "visits": self.coverage.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over the state of a checkpoint."""
        self.step = state["step"]
        load_optimizer(self.optimizer, state["weight_optimizer"])
        load_optimizer(self.arch_optimizer, state["arch_optimizer"])
        self.coverage.load(state["visits"])


def searched_skips(space: SearchSpace, cell: str, gene: CellGene) -> int:
    """Return the number of skip connections of a derived cell that were chosen, not fixed by the
    space."""
    open_edges = {
        (node.name, edge.source)
        for node in space.cells[cell].nodes
        for edge in node.edges
        if len(edge.operations) > 1 or node.kept < len(node.edges)
    }
    return sum(
        edge.operation == "skip" and (node.name, edge.source) in open_edges
        for node in gene.nodes
        for edge in node.edges
    )

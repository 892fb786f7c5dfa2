"""Settings of a bilevel search, and the policy that they give at each step."""

from dataclasses import dataclass, field
from typing import Literal

from nasface.errors import ConfigError
from nasface.kinds import Settings
from nasface.nas.policies import POLICIES, find_policy
from nasface.nas.policy import Policy, UniformPath


@dataclass(frozen=True, kw_only=True)
class CostPenaltyConfig(Settings):
    """A term of the architecture loss that holds the expected size of the derived network down."""

    weight: float = 0.0
    """Weight of the term max(0, expected / target - 1); 0 switches it off."""
    measure: Literal["macs", "parameters", "latency"] = "macs"
    """What is counted; latency in milliseconds, by the table in latency_table."""
    latency_table: str = ""
    """File that `nasface latency measure` wrote, for the measure latency."""
    target: float = 0.0
    """Size of the whole network below which there is no penalty; see `nasface cost`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight < 0 or (self.weight > 0 and self.target <= 0):
            raise ConfigError(
                f"weight {self.weight}, target {self.target}: expected a weight of 0, or a weight "
                "and a target above 0"
            )
        if (self.measure == "latency") != bool(self.latency_table):
            raise ConfigError(
                f"measure {self.measure}, latency_table {self.latency_table!r}: expected a table "
                "for the measure latency, and for no other"
            )


@dataclass(frozen=True, kw_only=True)
class BilevelConfig(Settings):
    """Settings of a bilevel search; the defaults are ASFD's where it states them (section 4.1)."""

    policy: str = "argmax"
    """What a step executes: argmax, the highest-weight path; gumbel, a sampled path; softmax, the
    mixture; uniform, a random path."""
    order: Literal["first", "second"] = "first"
    """Whether architecture steps see the weights as fixed (as ASFD and PC-DARTS), or one weight
    step ahead (as DARTS can; about four times the cost)."""
    warmup_epochs: int | None = None
    """Epochs with frozen architecture parameters; path policies visit all candidates in turn
    meanwhile. None: two fifths of the epochs, as in the paper (20 of 50)."""
    fairness: Literal["expected", "strict"] = "expected"
    """How steps on uniform paths, such as those of the warm-up, train all candidates: one path a
    step (as SPOS), or so many that each has its turn, with gradients averaged (as FairNAS)."""
    noise: float = 1.0
    """Gumbel noise on the log-probabilities of the argmax path after the warm-up, falling linearly
    to 0 at noise_until."""
    noise_until: float = 0.8
    """Share of the steps after the warm-up at which the noise reaches 0."""
    probes: int = 1
    """Competitors run without a graph for each edge on the path in architecture steps (see
    nasface.nas.gates); 0 is the paper's single path."""
    temperature: tuple[float, float] = (10.0, 0.1)
    """Temperature of the gradient of the gumbel policy, at the start and at the end (GDAS)."""
    every_edge: bool = False
    """Whether the gumbel policy runs an operation on every edge (GDAS) or a path into each node."""
    arch_lr: float = 0.01
    """Learning rate of architecture parameters (Adam)."""
    arch_weight_decay: float = 5e-4
    """Weight decay of the architecture parameters, as part of their gradient (as in DARTS and
    PC-DARTS)."""
    cost_penalty: CostPenaltyConfig = field(default_factory=CostPenaltyConfig)
    """Limit on the size of the derived network."""
    max_skip_connections: int | None = None
    """Stop when a cell would be derived with more skip connections than this, and keep the genotype
    of the epoch before (DARTS+)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        find_policy(self.policy)
        if self.warmup_epochs is not None and self.warmup_epochs < 0:
            raise ConfigError(f"warmup_epochs: {self.warmup_epochs} is not 0 or more, or none")
        if self.noise < 0 or not 0 < self.noise_until <= 1 or self.probes < 0:
            raise ConfigError(
                f"noise {self.noise}, noise_until {self.noise_until}, probes {self.probes}: "
                "expected at least 0, a share up to 1, at least 0"
            )
        if min(*self.temperature, self.arch_lr) <= 0 or self.arch_weight_decay < 0:
            raise ConfigError(
                f"temperature {self.temperature}, arch_lr {self.arch_lr}, "
                f"arch_weight_decay {self.arch_weight_decay}: expected positive numbers"
            )
        if self.max_skip_connections is not None and self.max_skip_connections < 0:
            raise ConfigError(
                f"max_skip_connections: {self.max_skip_connections} is not 0 or more, or none"
            )

    def warmup_within(self, epochs: int) -> int:
        """Return the warm-up epochs of a search of so many epochs."""
        return 2 * epochs // 5 if self.warmup_epochs is None else self.warmup_epochs


def policy_at(config: BilevelConfig, step: int, warmup: int, total: int) -> Policy:
    """Return the policy of a weight or architecture step of ``total``, ``warmup`` of them with
    frozen choices.

    While the architecture parameters are frozen, path policies visit all candidates in turn, so
    that none is later compared before it was trained.
    """
    entry = POLICIES.find(config.policy)
    if step < warmup and entry.runs_paths:
        return UniformPath()
    return entry.build(config, max(0, step - warmup) / max(1, total - warmup))

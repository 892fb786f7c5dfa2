"""The optimiser of a network's weights and its learning rate."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import nn

from nasface.errors import ConfigError
from nasface.kinds import Settings


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(Settings):
    """The optimiser of the network's weights."""

    name: Literal["sgd", "adamw"] = "sgd"
    """SGD with momentum 0.9, or AdamW."""
    lr: float = 0.015
    """Peak learning rate."""
    weight_decay: float = 5e-4
    """Weight decay."""
    warmup_steps: int = 500
    """Steps over which the rate rises linearly from 1e-6."""
    schedule: Literal["cosine", "steps"] = "cosine"
    """After the warm-up: a cosine to zero, or a tenth at 1/2 and a hundredth at 4/5 of all steps
    (the paper's epochs 25 and 40 of 50)."""
    clip: float = 10.0
    """Largest gradient norm; larger gradients are scaled down to it."""
    layer_decay: float = 1.0
    """Factor of the learning rate from each stage of the backbone to the one before it, for one
    that starts from pretrained weights; 1 trains all at one rate."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"layer_decay: {self.layer_decay} is not above 0 and at most 1")
        if self.lr <= 0 or self.weight_decay < 0 or self.warmup_steps < 0 or self.clip <= 0:
            raise ConfigError(
                f"lr {self.lr}, weight_decay {self.weight_decay}, warmup_steps "
                f"{self.warmup_steps}, clip {self.clip}: expected positive numbers"
            )

    def rate(self, step: int, total: int) -> float:
        """Return the learning rate at a step of ``total``, counted from 0."""
        if step < self.warmup_steps:
            return 1e-6 + (self.lr - 1e-6) * step / self.warmup_steps
        if self.schedule == "steps":
            return self.lr * (1.0 if step < 0.5 * total else 0.1 if step < 0.8 * total else 0.01)
        share = (step - self.warmup_steps) / max(1, total - self.warmup_steps)
        return self.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def layer_scales(stages: Sequence[Sequence[nn.Module]], decay: float) -> dict[nn.Parameter, float]:
    """Return the factors of the learning rate of the parameters of a backbone's stages, first to
    last: the last has ``decay``, the one before it ``decay ** 2``, and so on."""
    return {
        parameter: decay ** (len(stages) - at)
        for at, stage in enumerate(stages)
        for module in stage
        for parameter in module.parameters()
    }


def make_optimizer(
    config: OptimizerConfig,
    parameters: Sequence[nn.Parameter],
    scales: Mapping[nn.Parameter, float] = MappingProxyType({}),
) -> torch.optim.Optimizer:
    """Return the optimiser, without decay on scales and biases of normalisations and other vectors.

    ``scales``: factors of the learning rate of some parameters. AdamW is fused: with hundreds of
    small weights, calls take longer than arithmetic. SGD takes all weights at a time but is not
    fused, since fused momentum fails on paths that are visited for the first time in a later step.
    """
    groups = []
    for scale in dict.fromkeys(scales.get(each, 1.0) for each in parameters):
        chosen = [each for each in parameters if scales.get(each, 1.0) == scale]
        matrices = [each for each in chosen if each.ndim > 1]
        vectors = [each for each in chosen if each.ndim <= 1]
        groups += [
            {"params": matrices, "weight_decay": config.weight_decay, "scale": scale},
            {"params": vectors, "weight_decay": 0.0, "scale": scale},
        ]
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=0.9, foreach=True)
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)


class LearningRateSchedule:
    """Sets the learning rate of an optimiser at each of the ``total`` steps of a job."""

    def __init__(
        self, optimizer: torch.optim.Optimizer, config: OptimizerConfig, total: int
    ) -> None:
        self.optimizer, self.config, self.total = optimizer, config, total

    def apply(self, step: int) -> float:
        """Set the rate of a step, counted from 0, and return it."""
        rate = self.config.rate(step, self.total)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        return rate

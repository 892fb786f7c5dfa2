"""The two steps of a bilevel search: one on the weights, one on the architecture parameters.

Each takes its own half of the data.

Architecture steps of first order see the weights as fixed (DARTS section 2.3 with xi = 0, as
PC-DARTS and ASFD use it); those of second order look one weight step ahead (its equations 7 and 8).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor, nn


@contextmanager
def frozen(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Switch the gradient of parameters off inside the context."""
    wanted = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


Gradient: TypeAlias = Callable[[Sequence[nn.Parameter]], float]
"""Puts the gradient of a loss into ``grad`` of the parameters, leaves it ``None`` where the loss
does not depend on one, and returns the loss."""


def gradient_of(loss: Callable[[], Tensor]) -> Gradient:
    """Return the gradient of a loss that is computed in one piece."""

    def gradient(_parameters: Sequence[nn.Parameter]) -> float:
        value = loss()
        value.backward()
        return float(value.detach())

    return gradient


def weight_step(
    gradient: Gradient,
    optimizer: torch.optim.Optimizer,
    arch_parameters: Sequence[nn.Parameter],
    clip: float,
) -> float:
    """Make one step on the network's weights; return the loss, or nan if no step could be made
    because the loss or its gradient is not finite.

    A loss must decide its mixture inside the call, when the architecture parameters want no
    gradient. Weights off the path get no gradient at all (``None``, not zero), so momentum and
    decay leave them alone. ``clip`` bounds the norm of the gradient.
    """
    weights = _parameters(optimizer)
    with frozen(arch_parameters):
        optimizer.zero_grad(set_to_none=True)
        value = gradient(weights)
        norm = float(nn.utils.clip_grad_norm_(weights, clip))
        return _step(optimizer, value, norm)


def arch_step(
    gradient: Gradient,
    optimizer: torch.optim.Optimizer,
    weights: Sequence[nn.Parameter],
) -> float:
    """Make one step on the architecture parameters; return the loss, or nan if no step could be
    made.

    No weight gets a gradient, and so whatever lies before the first searched cell keeps no graph.
    """
    arch_parameters = _parameters(optimizer)
    with frozen(weights):
        optimizer.zero_grad(set_to_none=True)
        value = gradient(arch_parameters)
        return _step(optimizer, value, _norm(arch_parameters))


def second_order_arch_step(
    arch_gradient: Gradient,
    weight_gradient: Gradient,
    optimizer: torch.optim.Optimizer,
    weights: Sequence[nn.Parameter],
    weight_optimizer: torch.optim.Optimizer,
    *,
    distance: float = 0.01,
) -> float:
    """Make one step on the architecture parameters, one weight step ahead; return the loss at those
    weights, or nan if no step could be made.

    The gradient is that of the architecture loss at w' = w - rate * (gradient of the weight loss
    with momentum and weight decay, as SGD would step), less the rate times a Hessian-vector product
    by central differences that move the weights by ``distance`` (DARTS: 0.01). Rate, momentum and
    decay are those of ``weight_optimizer``; of another optimiser than SGD, rate and decay alone.
    Weights are given back bit for bit; running statistics of normalisations see the extra passes.
    """
    arch_parameters = _parameters(optimizer)
    before = [weight.detach().clone() for weight in weights]
    rates = _rates(weight_optimizer)
    try:
        with frozen(arch_parameters):
            _, inner = _gradients(weight_gradient, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, inner, strict=True):
                if gradient is not None:
                    rate, direction = _sgd_direction(weight, gradient, weight_optimizer, rates)
                    weight.sub_(rate * direction)
        value, ahead = _gradients(arch_gradient, [*arch_parameters, *weights])
        _restore(weights, before)
        if not math.isfinite(value):
            return math.nan
        vector = [
            None if gradient is None else rates[id(weight)][0] * gradient
            for weight, gradient in zip(weights, ahead[len(arch_parameters) :], strict=True)
        ]
        implicit = _mixed_product(weight_gradient, arch_parameters, weights, vector, distance)
        for parameter, direct, product in zip(arch_parameters, ahead, implicit, strict=False):
            terms = [each for each in (direct, product) if each is not None]
            parameter.grad = sum(terms[1:], terms[0]) if terms else None
        return _step(optimizer, value, _norm(arch_parameters))
    finally:
        _restore(weights, before)


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _norm(parameters: Sequence[nn.Parameter]) -> float:
    return float(nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))


def _step(optimizer: torch.optim.Optimizer, value: float, norm: float) -> float:
    """Make the step if loss and gradient are finite; return the loss, or nan."""
    if not (math.isfinite(value) and math.isfinite(norm)):
        optimizer.zero_grad(set_to_none=True)
        return math.nan
    optimizer.step()
    return value


Rates = dict[int, tuple[float, float, float]]
"""id of a parameter -> learning rate, momentum, weight decay"""


def _rates(optimizer: torch.optim.Optimizer) -> Rates:
    return {
        id(p): (group["lr"], group.get("momentum", 0.0), group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }


def _sgd_direction(
    weight: nn.Parameter, gradient: Tensor, optimizer: torch.optim.Optimizer, rates: Rates
) -> tuple[float, Tensor]:
    """Return the rate and direction of the step that SGD would take."""
    rate, momentum, decay = rates[id(weight)]
    direction = gradient + decay * weight
    buffer = optimizer.state[weight].get("momentum_buffer") if momentum else None
    return rate, direction if buffer is None else direction + momentum * buffer


def _gradients(
    gradient: Gradient, inputs: Sequence[nn.Parameter]
) -> tuple[float, list[Tensor | None]]:
    """Return a loss and its gradients, which are taken out of the parameters."""
    for each in inputs:
        each.grad = None
    value = gradient(inputs)
    found = [each.grad for each in inputs]
    for each in inputs:
        each.grad = None
    return value, found


def _restore(weights: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)


def _mixed_product(
    weight_gradient: Gradient,
    arch_parameters: Sequence[nn.Parameter],
    weights: Sequence[nn.Parameter],
    vector: Sequence[Tensor | None],
    distance: float,
) -> list[Tensor | None]:
    """Return minus the mixed second derivative of a loss, by architecture parameters and weights,
    times a vector of weights."""
    norm = torch.stack([v.norm() for v in vector if v is not None] or [torch.zeros(())]).norm()
    if norm == 0:
        return [None] * len(arch_parameters)
    scale = distance / norm
    before = [weight.detach().clone() for weight in weights]
    sides = []
    for sign in (1, -1):
        with torch.no_grad():
            for weight, value, direction in zip(weights, before, vector, strict=True):
                if direction is not None:
                    weight.copy_(value + sign * scale * direction)
        with frozen(weights):
            sides.append(_gradients(weight_gradient, arch_parameters)[1])
    _restore(weights, before)
    return [
        None if above is None or below is None else -(above - below) / (2 * scale)
        for above, below in zip(*sides, strict=True)
    ]

"""The two steps of a bilevel search: weights on one half of the data, choices on the other.

Choice steps of first order see the weights as fixed (DARTS section 2.3 with xi = 0, as PC-DARTS and
ASFD use it); those of second order look one weight step ahead (its equations 7 and 8).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

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


def weight_step(
    loss: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    choices: Sequence[nn.Parameter],
    clip: float,
) -> float:
    """One step on the network's weights; returns the loss, and makes no step if it is not finite.

    ``loss`` runs the network and must decide its mixture inside the call, when the choice weights
    want no gradient. Weights off the path get no gradient at all (``None``, not zero), so momentum
    and decay leave them alone. ``clip`` bounds the norm of the gradient.
    """
    with frozen(choices):
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        if torch.isfinite(value):
            value.backward()
            group = [p for each in optimizer.param_groups for p in each["params"]]
            nn.utils.clip_grad_norm_(group, clip)
            optimizer.step()
    return float(value.detach())


def choice_step(
    loss: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    weights: Sequence[nn.Parameter],
) -> float:
    """One step on the choice weights; returns the loss, no step if it is not finite.

    No weight gets a gradient, and so whatever lies before the first searched cell keeps no graph.
    """
    with frozen(weights):
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        if torch.isfinite(value):
            value.backward()
            optimizer.step()
    return float(value.detach())


def second_order_choice_step(
    choice_loss: Callable[[], Tensor],
    weight_loss: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    weights: Sequence[nn.Parameter],
    weight_optimizer: torch.optim.Optimizer,
    *,
    reach: float = 0.01,
) -> float:
    """One step on the choice weights, one weight step ahead; returns the loss at those weights.

    The gradient is that of ``choice_loss`` at w' = w - rate * (gradient of ``weight_loss`` with
    momentum and weight decay, as SGD would step), less the rate times a Hessian-vector product by
    central differences that move the weights by ``reach`` (DARTS: 0.01). Rate, momentum and decay
    are those of ``weight_optimizer``; of another optimiser than SGD, rate and decay alone. Weights
    are given back bit for bit; running statistics of normalisations see the extra passes.
    """
    choices = [p for group in optimizer.param_groups for p in group["params"]]
    before = [weight.detach().clone() for weight in weights]
    rates = _rates(weight_optimizer)
    try:
        with frozen(choices):
            inner = _gradients(weight_loss(), weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, inner, strict=True):
                if gradient is not None:
                    rate, direction = _sgd_direction(weight, gradient, weight_optimizer, rates)
                    weight.sub_(rate * direction)
        value = choice_loss()
        ahead = _gradients(value, [*choices, *weights])
        _restore(weights, before)
        if torch.isfinite(value):
            vector = [
                None if gradient is None else rates[id(weight)][0] * gradient
                for weight, gradient in zip(weights, ahead[len(choices) :], strict=True)
            ]
            implicit = _mixed_product(weight_loss, choices, weights, vector, reach)
            optimizer.zero_grad(set_to_none=True)
            for choice, direct, product in zip(choices, ahead, implicit, strict=False):
                terms = [each for each in (direct, product) if each is not None]
                choice.grad = sum(terms[1:], terms[0]) if terms else None
            optimizer.step()
    finally:
        _restore(weights, before)
    return float(value.detach())


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
    """Rate and direction of the step that SGD would take."""
    rate, momentum, decay = rates[id(weight)]
    direction = gradient + decay * weight
    buffer = optimizer.state[weight].get("momentum_buffer") if momentum else None
    return rate, direction if buffer is None else direction + momentum * buffer


def _gradients(value: Tensor, inputs: Sequence[Tensor]) -> list[Tensor | None]:
    """Gradients of a loss, ``None`` for what it does not depend on."""
    return list(torch.autograd.grad(value, list(inputs), allow_unused=True))


def _restore(weights: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)


def _mixed_product(
    loss: Callable[[], Tensor],
    choices: Sequence[nn.Parameter],
    weights: Sequence[nn.Parameter],
    vector: Sequence[Tensor | None],
    reach: float,
) -> list[Tensor | None]:
    """Minus the mixed second derivative (choices, weights) of a loss times a vector of weights."""
    norm = torch.stack([v.norm() for v in vector if v is not None] or [torch.zeros(())]).norm()
    if norm == 0:
        return [None] * len(choices)
    scale = reach / norm
    before = [weight.detach().clone() for weight in weights]
    sides = []
    for sign in (1, -1):
        with torch.no_grad():
            for weight, value, direction in zip(weights, before, vector, strict=True):
                if direction is not None:
                    weight.copy_(value + sign * scale * direction)
        with frozen(weights):
            sides.append(_gradients(loss(), choices))
    _restore(weights, before)
    return [
        None if above is None or below is None else -(above - below) / (2 * scale)
        for above, below in zip(*sides, strict=True)
    ]

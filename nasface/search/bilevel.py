"""The two steps of a bilevel search: weights on one half of the data, choices on the other.

First order (DARTS section 2.3 with xi = 0, as PC-DARTS and ASFD use it).
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

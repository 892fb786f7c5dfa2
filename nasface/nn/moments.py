"""Taking over the state of an optimiser."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Take over a state, with the moments in the memory format of their weights.

    Fused optimisers of torch 2.13 walk over the memory of both side by side on a CPU: in other
    formats a weight gets the moments of another one, and nothing is said
    (findings/fused_memory_formats.sh). So would a run that was begun on a Mac's GPU, where weights
    are in the usual format, and goes on on a CPU, where they are channels last.

    Raises:
        ValueError: for the state of other groups of parameters.
    """
    optimizer.load_state_dict(dict(state))
    for weight, moments in optimizer.state.items():
        for name, moment in moments.items():
            if isinstance(moment, Tensor) and moment.shape == weight.shape:
                moments[name] = torch.empty_like(weight, dtype=moment.dtype).copy_(moment)

"""Partial channels that shrink their K in the course of a search, so that operations become wider.

Source: progressive learning of DrNAS (Chen et al., ICLR 2021, section 3.3), without its pruning of
candidates. Deviation: what an operation has learned is repeated over the new channels, inputs in
equal shares, so that equal inputs give what they gave before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from nasface.errors import ConfigError
from nasface.nas.supernet import Supernet
from nasface.nn.blocks import memory_format


def check_stages(stages: Sequence[int]) -> None:
    """Raise :class:`ConfigError` unless each K is a divisor of the one before it, and smaller."""
    positive = min(stages, default=1) > 0
    if not positive or any(a <= b or a % b for a, b in pairwise(stages)):
        raise ConfigError(
            f"partial_stages: {list(stages)}, expected falling numbers, each a divisor of the one "
            "before, such as 4 2 1"
        )


@dataclass(eq=False)
class Widening:
    """The K of a supernet over the steps of a search: the ``stages`` share the ``total`` equally.

    Parameters and buffers stay the objects that they were, so that the ``optimizer`` goes on with
    them; the moments of those that grow begin anew. ``grown`` is called after each change.
    """

    supernet: Supernet
    optimizer: torch.optim.Optimizer
    stages: tuple[int, ...]
    total: int
    grown: Callable[[], None] = lambda: None

    def prepare(self, step: int) -> None:
        """Give the supernet the width that it has in a step, counted from 0."""
        stage = min(max(step, 0) * len(self.stages) // self.total, len(self.stages) - 1)
        if self.stages[stage] == self.supernet.partial:
            return
        for each in widen(self.supernet, self.stages[stage]):
            self.optimizer.state.pop(each, None)
        self.grown()


@torch.no_grad()
def widen(supernet: Supernet, partial: int) -> list[nn.Parameter]:
    """Have 1/``partial`` of the channels pass through operations; return the parameters that grew.

    Raises:
        ConfigError: unless the present K is a multiple of ``partial``.
    """
    if partial < 1 or supernet.partial % partial:
        raise ConfigError(
            f"partial_channels: {partial}, expected a divisor of the present {supernet.partial}"
        )
    found: list[nn.Parameter] = []
    if partial == supernet.partial:
        return found
    known: dict[tuple[object, ...], dict[str, nn.Module]] = {}
    for edge in supernet.partial_edges():
        kind = (edge.channels, *edge.column_names.values(), edge.transform)
        if kind not in known:
            with torch.device("meta"):
                known[kind] = edge.candidates(partial)
        for key, template in known[kind].items():
            found += _grow(edge.operations[key], template)
        edge.partial = partial
    supernet.partial = partial
    return found


def _grow(operation: nn.Module, template: nn.Module) -> list[nn.Parameter]:
    """Give an operation the shapes and whole numbers (channels, groups) of a wider one."""
    found = []
    for module, wider in zip(operation.modules(), template.modules(), strict=True):
        for name, value in vars(wider).items():
            if type(value) is int:
                setattr(module, name, value)
        own = (*module.named_parameters("", False), *module.named_buffers("", False))
        for name, tensor in own:
            shape = getattr(wider, name).shape
            if tensor.shape != shape:
                tensor.data = _repeated(tensor, shape)
                if isinstance(tensor, nn.Parameter):
                    tensor.grad = None
                    found.append(tensor)
    return found


def _repeated(tensor: Tensor, shape: torch.Size) -> Tensor:
    """Repeat over outputs (the first axis), and over inputs (the second) in equal shares."""
    times = [new // old for new, old in zip(shape, tensor.shape, strict=True)]
    grown = tensor.repeat(times) / (times[1] if len(times) > 1 else 1)
    if grown.dim() == 4:
        grown = grown.contiguous(memory_format=memory_format(grown.device))
    return grown

"""The modules of the rules in :mod:`nasface.arch.combine`.

Forward: the values of a node's edges, each (B, C, H, W), and the numbers of these edges from 0;
without numbers the values are those of all edges -> (B, C, H, W). Plain Python export copies these
classes.
"""

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from nasface.arch.combine import COMBINE_RULES


def build_combine(name: str, channels: int, edges: int, *, searched: bool = False) -> nn.Module:
    """Build the module of a rule for a node with ``edges`` edges.

    Raises:
        SpecError: for an unknown name.
    """
    rule = COMBINE_RULES.find(name)
    build = rule.build_searched if searched and rule.build_searched else rule.build
    return cast(nn.Module, build(channels, edges))


class Sum(nn.Module):
    """The sum."""

    def __init__(self, channels: int, edges: int) -> None:
        super().__init__()

    def forward(self, values: Sequence[Tensor], numbers: Sequence[int] | None = None) -> Tensor:
        """Map the values of the edges to the value of the node."""
        return add_up(values)


class Product(nn.Module):
    """The elementwise product."""

    def __init__(self, channels: int, edges: int) -> None:
        super().__init__()

    def forward(self, values: Sequence[Tensor], numbers: Sequence[int] | None = None) -> Tensor:
        """Map the values of the edges to the value of the node."""
        result = values[0]
        for value in values[1:]:
            result = result * value
        return result


class WeightedSum(nn.Module):
    """The sum with learned shares, a softmax over the edges given."""

    def __init__(self, channels: int, edges: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(1e-3 * torch.randn(edges))

    def forward(self, values: Sequence[Tensor], numbers: Sequence[int] | None = None) -> Tensor:
        """Map the values of the edges to the value of the node."""
        scale = self.scale if numbers is None else self.scale[list(numbers)]
        share = scale.softmax(0)
        return add_up(share[at] * value for at, value in enumerate(values))


class ConstantWeightedSum(nn.Module):
    """:class:`WeightedSum` with its shares as plain numbers, as it is exported."""

    def __init__(self, shares: Sequence[float]) -> None:
        super().__init__()
        self.shares = tuple(shares)

    def forward(self, values: Sequence[Tensor], numbers: Sequence[int] | None = None) -> Tensor:
        """Map the values of the edges to the value of the node."""
        return add_up(share * value for share, value in zip(self.shares, values, strict=True))


def fold_weights(module: nn.Module) -> nn.Module:
    """Replace fusion weights within a module by constants, in place; return the module."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, WeightedSum):
                shares = child.scale.detach().softmax(0).tolist()
                setattr(parent, name, ConstantWeightedSum(shares))
    return module


class Concat(nn.Module):
    """A 1x1 convolution of the concatenation."""

    def __init__(self, channels: int, edges: int) -> None:
        super().__init__()
        self.merge = nn.Conv2d(channels * edges, channels, 1, bias=False)

    def forward(self, values: Sequence[Tensor], numbers: Sequence[int] | None = None) -> Tensor:
        """Map the values of the edges to the value of the node."""
        return cast(Tensor, self.merge(torch.cat(list(values), dim=1)))


class SearchedConcat(nn.Module):
    """:class:`Concat` with a convolution for each edge, whose results are added up.

    That is the same function, and any of the edges can be left out.
    """

    def __init__(self, channels: int, edges: int) -> None:
        super().__init__()
        self.merge = nn.ModuleList(
            nn.Conv2d(channels, channels, 1, bias=False) for _ in range(edges)
        )

    def forward(self, values: Sequence[Tensor], numbers: Sequence[int] | None = None) -> Tensor:
        """Map the values of the edges to the value of the node."""
        edges = range(len(values)) if numbers is None else numbers
        return add_up(self.merge[edge](value) for edge, value in zip(edges, values, strict=True))


def add_up(values: Iterable[Tensor]) -> Tensor:
    """Add up one or more tensors, from the first to the last."""
    left = iter(values)
    result = next(left)
    for value in left:
        result = result + value
    return result

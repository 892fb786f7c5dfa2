"""A run that goes on in another memory format."""

import copy

import pytest
import torch
from torch import nn

from nasface.nn.moments import load_optimizer

IMAGES = torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(1))
FORMATS = (torch.contiguous_format, torch.channels_last)


def network(memory_format: torch.memory_format) -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(6, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 3))
    return layers.to(memory_format=memory_format)  # type: ignore[call-overload, no-any-return]


def steps(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for _ in range(3):
        optimizer.zero_grad()
        model(IMAGES).square().mean().backward()
        optimizer.step()


def adamw(model: nn.Module, *, fused: bool) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=0.01, fused=fused)


@pytest.mark.parametrize("before", FORMATS)
@pytest.mark.parametrize("after", FORMATS)
def test_fused_steps_after_a_change_of_format_are_those_of_a_run_without_one(
    before: torch.memory_format, after: torch.memory_format
) -> None:
    expected = network(torch.contiguous_format)
    plain = adamw(expected, fused=False)
    steps(expected, plain)
    steps(expected, plain)

    begun = network(before)
    optimizer = adamw(begun, fused=True)
    steps(begun, optimizer)
    weights, state = copy.deepcopy((begun.state_dict(), optimizer.state_dict()))
    resumed = network(after)
    resumed.load_state_dict(weights)
    optimizer = adamw(resumed, fused=True)
    load_optimizer(optimizer, state)
    steps(resumed, optimizer)

    for one, other in zip(resumed.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one.contiguous(), other, rtol=1e-4, atol=1e-6)

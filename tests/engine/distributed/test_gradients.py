"""Sums of gradients, in a group of one process: what is sent when, and what comes back."""

from collections.abc import Iterator
from weakref import ref

import pytest
import torch
from torch import distributed as dist
from torch import nn

from nasface.engine.distributed.gradients import GradientSum
from nasface.engine.distributed.world import World

BYTES = 4 * (16 * 16 + 16)
"""Of the gradients of a layer."""


@pytest.fixture
def world() -> Iterator[World]:
    store = dist.HashStore()  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    group = dist.group.WORLD
    assert group is not None
    yield World(group=ref(group))
    dist.destroy_process_group()


@pytest.fixture
def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(16, 16) for _ in range(8)))


def test_gradients_are_sent_while_the_backward_pass_goes_on(
    world: World, layers: nn.Sequential
) -> None:
    gradients = GradientSum(world, bucket_bytes=2 * BYTES)
    sent: list[int] = []
    first = layers[0](torch.randn(4, 16))
    first.register_hook(lambda _: sent.append(gradients.sent_bytes))
    with gradients.sent_when_ready(list(layers.parameters())):
        layers[1:](first).sum().backward()
    # Seven layers have their gradients, in pairs, before those of the first are computed.
    assert sent == [6 * BYTES]
    assert gradients.sent_bytes == 8 * BYTES


@pytest.mark.parametrize("bucket_bytes", [1, 3 * BYTES, 10**9])
def test_the_sum_over_one_process_changes_nothing(
    world: World, layers: nn.Sequential, bucket_bytes: int
) -> None:
    """Also of layers that only the first of two backward passes has reached."""
    parameters = list(layers.parameters())
    inputs = torch.randn(4, 16)
    layers(inputs).sum().backward()
    gradients = GradientSum(world, bucket_bytes)
    with gradients.sent_when_ready(parameters):
        layers[:3](inputs).sum().backward()
    assert len(gradients.order) == 6
    expected = [each.grad.clone() for each in parameters if each.grad is not None]
    gradients.complete(parameters)
    assert set(gradients.order) == set(parameters)
    statistics = torch.arange(5.0)
    assert gradients.finish([statistics], [1.5, -2.0]) == [1.5, -2.0]
    assert statistics.tolist() == [0, 1, 2, 3, 4]
    for each, gradient in zip(parameters, expected, strict=True):
        assert each.grad is not None
        assert torch.equal(each.grad, gradient)


def test_parameters_that_are_not_reached_are_not_sent(world: World, layers: nn.Sequential) -> None:
    parameters = list(layers.parameters())
    layers[4].requires_grad_(False)
    gradients = GradientSum(world)
    with gradients.sent_when_ready(parameters):
        layers[2:5](torch.randn(4, 16)).sum().backward()
    gradients.complete(parameters)
    assert set(gradients.order) == {*layers[2].parameters(), *layers[3].parameters()}
    gradients.finish([], [0.0])
    assert all(each.grad is None for each in layers[4].parameters())

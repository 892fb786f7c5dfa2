"""Zero-cost predictors against literal versions of what their papers say."""

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nasface.nas.zero_cost import PREDICTORS, Untrained, naswot, synflow, zico


def forward(network: nn.Module, images: Tensor) -> Sequence[Tensor]:
    return (network(images),)


def layer(untrained: Untrained, at: int) -> Any:
    return cast(nn.Sequential, untrained.network)[at]


@pytest.fixture
def untrained() -> Untrained:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 2, 1, bias=False),
        nn.ReLU(),
        nn.Conv2d(2, 2, 1, bias=False),
    )
    batches = [torch.randn(4, 3, 5, 5) for _ in range(3)]
    losses = [lambda x=x: network(x).square().mean() for x in batches]
    return Untrained(network, forward, torch.randn(5, 3, 5, 5), losses)


def test_synflow_is_layers_times_the_sum_over_all_paths(untrained: Untrained) -> None:
    """Outputs are linear in each layer's absolute weights, so each of the three layers has the
    sum of outputs as its sum of weight times gradient."""
    first, second, third = (
        layer(untrained, at).weight.detach().abs().double().numpy() for at in (0, 3, 5)
    )
    total = sum(
        third[out, middle, 0, 0] * second[middle, channel, 0, 0] * first[channel].sum()
        for out in range(2)
        for middle in range(2)
        for channel in range(4)
    )
    positions = 3 * 3
    before = {name: value.clone() for name, value in untrained.network.state_dict().items()}
    assert synflow(untrained) == pytest.approx(math.log(3 * positions * total))
    assert all(torch.equal(v, before[n]) for n, v in untrained.network.state_dict().items())
    layer(untrained, 0).requires_grad_(False)
    assert synflow(untrained) == pytest.approx(math.log(2 * positions * total))


def test_naswot_counts_units_that_agree(untrained: Untrained) -> None:
    """Number of units less the Hamming distance of the codes, pair by pair."""
    convolution, norm, _, next_convolution, *_ = (layer(untrained, at) for at in range(6))
    with torch.no_grad():
        first = norm(convolution(untrained.images))
        second = next_convolution(first.relu())
    codes = [
        [value > 0 for part in (first, second) for value in part[at].flatten().tolist()]
        for at in range(5)
    ]
    kernel = np.array(
        [[sum(a == b for a, b in zip(one, other, strict=True)) for other in codes] for one in codes]
    )
    found = naswot(untrained)
    assert found == pytest.approx(math.log(abs(np.linalg.det(kernel.astype(float)))))
    assert naswot(untrained) == found, "no hook is left behind"


def test_zico_weight_by_weight(untrained: Untrained) -> None:
    expected = 0.0
    for at in (0, 3, 5):
        gradients = []
        for loss in untrained.losses:
            untrained.network.zero_grad()
            torch.autograd.backward(loss())
            gradients.append(layer(untrained, at).weight.grad.abs().double().flatten().tolist())
        terms = []
        for values in zip(*gradients, strict=True):
            mean = sum(values) / len(values)
            variance = sum((value - mean) ** 2 for value in values) / len(values)
            terms.append(mean / math.sqrt(variance))
        expected += math.log(sum(terms))
    assert zico(untrained) == pytest.approx(expected, rel=1e-6)


def test_zico_leaves_out_what_does_not_vary(untrained: Untrained) -> None:
    network = untrained.network
    same = Untrained(network, forward, untrained.images, [untrained.losses[0]] * 2)
    for each in network.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.eval()
    assert zico(same) == 0.0


@pytest.mark.parametrize("name", PREDICTORS)
def test_each_is_a_number_for_a_network_with_frozen_parts(name: str, untrained: Untrained) -> None:
    layer(untrained, 0).requires_grad_(False)
    assert math.isfinite(PREDICTORS.find(name)(untrained))

"""The architecture step that looks one weight step ahead, against closed forms and a literal
version."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nasface.arch.io import load_search_space
from nasface.classification.layout import NetworkConfig
from nasface.classification.network import SearchClassifier
from nasface.nas.bilevel import gradient_of, second_order_arch_step
from nasface.nas.policy import ArgmaxPath, Policy, Softmax

RATE, MOMENTUM, DECAY = 0.3, 0.9, 0.05


def quadratic() -> tuple[nn.Parameter, nn.Parameter, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    w, a = (
        nn.Parameter(torch.randn(3, dtype=torch.float64, generator=generator)) for _ in range(2)
    )
    mixed = torch.randn(3, 3, dtype=torch.float64, generator=generator)
    target = torch.randn(3, dtype=torch.float64, generator=generator)
    return w, a, mixed, target


@pytest.mark.parametrize("buffered", [False, True])
def test_a_quadratic_by_hand(buffered: bool) -> None:
    """train = |w|^2 / 2 + w M a, valid = |w - t|^2 / 2 + |a|^2 / 2.

    w' = w - rate (w + M a + decay w + momentum v); the gradient is a - rate M^T (w' - t).
    """
    w, a, mixed, target = quadratic()
    optimizer = torch.optim.SGD([w], RATE, momentum=MOMENTUM, weight_decay=DECAY)
    velocity = torch.zeros(3, dtype=torch.float64)
    if buffered:
        w.grad = torch.ones_like(w)
        optimizer.step()
        velocity = optimizer.state[w]["momentum_buffer"].clone()
    before, start = w.detach().clone(), a.detach().clone()
    value = second_order_arch_step(
        gradient_of(lambda: (w - target).square().sum() / 2 + a.square().sum() / 2),
        gradient_of(lambda: w.square().sum() / 2 + w @ mixed @ a),
        torch.optim.SGD([a], 1.0),
        [w],
        optimizer,
    )
    ahead = before - RATE * (before + mixed @ start + DECAY * before + MOMENTUM * velocity)
    expected = start - RATE * mixed.T @ (ahead - target)
    torch.testing.assert_close(a.detach(), start - expected, rtol=1e-7, atol=1e-9)
    found = (ahead - target).square().sum() / 2 + start.square().sum() / 2
    assert value == pytest.approx(float(found))
    assert torch.equal(w, before)
    assert w.requires_grad
    assert a.requires_grad


def test_with_a_rate_of_zero_it_is_the_first_order() -> None:
    w, a, mixed, target = quadratic()
    start = a.detach().clone()
    second_order_arch_step(
        gradient_of(lambda: (w - target).square().sum() / 2 + w @ mixed @ a),
        gradient_of(lambda: w @ mixed @ a),
        torch.optim.SGD([a], 1.0),
        [w],
        torch.optim.SGD([w], 0.0),
    )
    torch.testing.assert_close(a.detach(), start - mixed.T @ w.detach())


@pytest.mark.parametrize("policy", [Softmax(), ArgmaxPath()], ids=["softmax", "argmax"])
def test_a_network_against_a_copy_one_step_ahead(policy: Policy) -> None:
    """The same with a deep copy of the network and a Hessian-vector product by autograd."""
    torch.manual_seed(0)
    space = load_search_space("darts", {"nodes": 2})
    network = SearchClassifier(space, NetworkConfig(channels=2, classes=3, layers=3)).double()
    batches = [torch.randn(4, 3, 8, 8, dtype=torch.float64) for _ in range(2)]
    labels = torch.tensor([0, 1, 2, 1])

    def loss(net: SearchClassifier, images: Tensor) -> Callable[[], Tensor]:
        def value() -> Tensor:
            mixture = net.arch_parameters.mixture(policy, seed=0, step=0)
            return nn.functional.cross_entropy(net(images, mixture), labels)

        return value

    weights, arch_parameters = list(network.weights()), list(network.arch_parameters.parameters())
    optimizer = torch.optim.SGD(weights, 0.1, weight_decay=1e-3)
    chooser = torch.optim.SGD(arch_parameters, 0.0)

    ahead = copy.deepcopy(network)
    mirrored = list(ahead.weights())
    inner = torch.autograd.grad(loss(network, batches[0])(), weights, allow_unused=True)
    with torch.no_grad():
        for weight, gradient in zip(mirrored, inner, strict=True):
            if gradient is not None:
                weight.sub_(0.1 * (gradient + 1e-3 * weight))
    outer = torch.autograd.grad(
        loss(ahead, batches[1])(),
        [*ahead.arch_parameters.parameters(), *mirrored],
        allow_unused=True,
    )
    create = torch.autograd.grad(
        loss(network, batches[0])(), weights, create_graph=True, allow_unused=True
    )
    products = [
        (g * v.detach()).sum()
        for g, v in zip(create, outer[len(arch_parameters) :], strict=True)
        if g is not None and v is not None
    ]
    implicit = torch.autograd.grad(torch.stack(products).sum(), arch_parameters, allow_unused=True)
    expected = [
        d if i is None or d is None else d - 0.1 * i
        for d, i in zip(outer[: len(arch_parameters)], implicit, strict=True)
    ]

    before = [weight.detach().clone() for weight in weights]
    second_order_arch_step(
        gradient_of(loss(network, batches[1])),
        gradient_of(loss(network, batches[0])),
        chooser,
        weights,
        optimizer,
        distance=1e-7,  # the default is too far for so small and bent a network
    )
    assert all(torch.equal(a, b) for a, b in zip(weights, before, strict=True))
    for choice, gradient, direct in zip(arch_parameters, expected, outer, strict=False):
        assert choice.grad is not None
        assert gradient is not None
        assert direct is not None
        assert (gradient - direct).norm() > 1e-3
        torch.testing.assert_close(choice.grad, gradient, rtol=1e-3, atol=1e-5)


def test_a_loss_that_is_not_finite_makes_no_step() -> None:
    w, a, mixed, _ = quadratic()
    before = [w.detach().clone(), a.detach().clone()]
    value = second_order_arch_step(
        gradient_of(lambda: (w @ mixed @ a) * torch.nan),
        gradient_of(lambda: w @ mixed @ a),
        torch.optim.SGD([a], 1.0),
        [w],
        torch.optim.SGD([w], 0.1),
    )
    assert value != value
    assert torch.equal(w, before[0])
    assert torch.equal(a, before[1])


def test_weights_come_back_after_an_error() -> None:
    w, a, mixed, _ = quadratic()
    before = w.detach().clone()

    def fail() -> Tensor:
        raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        second_order_arch_step(
            gradient_of(fail),
            gradient_of(lambda: w @ mixed @ a),
            torch.optim.SGD([a], 1.0),
            [w],
            torch.optim.SGD([w], 0.1),
        )
    assert torch.equal(w, before)

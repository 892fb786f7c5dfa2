"""The two steps: what each may change, and what it must not keep."""

from dataclasses import dataclass

import pytest
import torch
from strategies import features
from torch import Tensor, nn

from nasface.arch.io import load_search_space
from nasface.nas.bilevel import arch_step, frozen, gradient_of, weight_step
from nasface.nas.policy import ArgmaxPath, Policy, Softmax
from nasface.nas.supernet import Supernet
from nasface.nn.blocks import conv_norm_relu
from nasface.nn.cost import SavedBytes, count_saved_bytes

LEVELS = range(2, 8)
POLICIES: list[Policy] = [ArgmaxPath(probes=1), Softmax()]


@dataclass
class Net:
    """A stem, a supernet behind it, and a loss that is decided inside the call."""

    stem: nn.Module
    supernet: Supernet
    policy: Policy

    def weights(self) -> list[nn.Parameter]:
        return [*self.stem.parameters(), *self.supernet.weights()]

    def arch_parameters(self) -> list[nn.Parameter]:
        return list(self.supernet.arch_parameters.parameters())

    def loss(self, stem_bytes: SavedBytes | None = None) -> Tensor:
        mixture = self.supernet.arch_parameters.mixture(self.policy, seed=0, step=0)
        with count_saved_bytes() as saved:
            x = {level: self.stem(value) for level, value in features(LEVELS, base=128).items()}
        if stem_bytes is not None:
            stem_bytes.total = saved.total
        outputs = self.supernet(x, mixture).values()
        targets = features(LEVELS, base=128, seed=1).values()
        terms = [(a - b).square().mean() for a, b in zip(outputs, targets, strict=True)]
        return torch.stack(terms).sum()


@pytest.fixture(params=POLICIES, ids=["argmax", "softmax"])
def net(request: pytest.FixtureRequest) -> Net:
    torch.manual_seed(0)
    space = load_search_space("autofem-cpm", {"nodes": 4})
    return Net(conv_norm_relu(8, 8, 3), Supernet(space, 8), request.param)


def copies(parameters: list[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def unchanged(parameters: list[nn.Parameter], before: list[Tensor]) -> bool:
    return all(torch.equal(now, then) for now, then in zip(parameters, before, strict=True))


def adam(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=1e-3, weight_decay=1e-3)


def sgd(parameters: list[nn.Parameter], lr: float = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr, momentum=0.9, weight_decay=1e-3)


def test_a_choice_step_leaves_the_weights_alone(net: Net) -> None:
    before, arch_parameters = copies(net.weights()), copies(net.arch_parameters())
    loss = float(net.loss().detach())
    stem = SavedBytes(total=-1)
    value = arch_step(
        gradient_of(lambda: net.loss(stem)), adam(net.arch_parameters()), net.weights()
    )
    assert value == pytest.approx(loss, rel=1e-5)
    assert unchanged(net.weights(), before)
    assert all(weight.grad is None for weight in net.weights())
    assert all(weight.requires_grad for weight in net.weights())
    assert not any(
        torch.equal(a, b) for a, b in zip(net.arch_parameters(), arch_parameters, strict=True)
    )
    assert stem.total == 0


def test_a_weight_step_leaves_the_choices_alone(net: Net) -> None:
    before, weights = copies(net.arch_parameters()), copies(net.weights())
    stem = SavedBytes()
    weight_step(
        gradient_of(lambda: net.loss(stem)), sgd(net.weights()), net.arch_parameters(), clip=5.0
    )
    assert unchanged(net.arch_parameters(), before)
    assert all(choice.grad is None and choice.requires_grad for choice in net.arch_parameters())
    for weight, then in zip(net.weights(), weights, strict=True):
        # what had no gradient was not even decayed
        assert torch.equal(weight, then) == (weight.grad is None)
    assert any(weight.grad is None for weight in net.weights()) == isinstance(
        net.policy, ArgmaxPath
    )
    assert stem.total > 0


def test_alternating_steps_do_not_leak_into_each_other(net: Net) -> None:
    weights, arch_parameters = sgd(net.weights()), adam(net.arch_parameters())
    weight_step(gradient_of(net.loss), weights, net.arch_parameters(), clip=5.0)
    grads = [None if w.grad is None else w.grad.clone() for w in net.weights()]
    arch_step(gradient_of(net.loss), arch_parameters, net.weights())
    for weight, grad in zip(net.weights(), grads, strict=True):
        if weight.grad is None or grad is None:
            assert weight.grad is grad
        else:
            assert torch.equal(weight.grad, grad)
    before = [choice.grad.clone() for choice in net.arch_parameters() if choice.grad is not None]
    weight_step(gradient_of(net.loss), weights, net.arch_parameters(), clip=5.0)
    after = [choice.grad for choice in net.arch_parameters() if choice.grad is not None]
    assert before
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_choice_gradients_do_not_depend_on_weight_gradients(net: Net) -> None:
    torch.autograd.backward(net.loss())
    expected = [choice.grad for choice in net.arch_parameters()]
    assert any(weight.grad is not None for weight in net.weights())
    for parameter in (*net.arch_parameters(), *net.weights()):
        parameter.grad = None
    arch_step(gradient_of(net.loss), torch.optim.SGD(net.arch_parameters(), lr=0.0), net.weights())
    for choice, grad in zip(net.arch_parameters(), expected, strict=True):
        assert choice.grad is not None
        torch.testing.assert_close(choice.grad, grad, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_loss_that_is_not_finite_makes_no_step(net: Net, bad: float) -> None:
    def broken() -> Tensor:
        return net.loss() * bad

    before = copies([*net.weights(), *net.arch_parameters()])
    values = [
        weight_step(gradient_of(broken), sgd(net.weights()), net.arch_parameters(), clip=5.0),
        arch_step(gradient_of(broken), adam(net.arch_parameters()), net.weights()),
    ]
    assert not torch.isfinite(torch.tensor(values)).any()
    assert unchanged([*net.weights(), *net.arch_parameters()], before)
    assert all(p.requires_grad and p.grad is None for p in (*net.weights(), *net.arch_parameters()))


def test_steps_by_hand() -> None:
    """loss = 3 w c: gradient 3 c of the weight, clipped to 1; 3 w of the choice."""
    w, c = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(5.0))

    def loss() -> Tensor:
        return 3 * w * c

    def plain(parameter: nn.Parameter) -> torch.optim.Optimizer:
        return torch.optim.SGD([parameter], lr=0.1)

    assert weight_step(gradient_of(loss), plain(w), [c], clip=100.0) == 30.0
    assert w.item() == pytest.approx(0.5)
    assert c.item() == 5
    weight_step(gradient_of(loss), plain(w), [c], clip=1.0)
    assert w.item() == pytest.approx(0.4, abs=1e-6)
    assert arch_step(gradient_of(loss), plain(c), [w]) == pytest.approx(6.0, rel=1e-5)
    assert w.item() == pytest.approx(0.4, abs=1e-6)
    assert c.item() == pytest.approx(4.88)


def test_frozen_restores_only_what_it_changed() -> None:
    on, off = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1), requires_grad=False)

    def fail() -> None:
        with frozen([on, off]):
            assert not on.requires_grad
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert on.requires_grad
    assert not off.requires_grad

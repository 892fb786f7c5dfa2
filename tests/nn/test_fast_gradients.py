"""Convolutions with fast gradients against those of torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nasface.nn import fast_gradients
from nasface.nn.blocks import channels_last
from nasface.nn.fast_gradients import FastGradientConv2d, SubsampledConv2d, with_fast_gradients
from nasface.nn.fuse import fuse_conv_bn
from nasface.nn.operations import build_operation


@pytest.fixture(autouse=True, scope="module")
def small_maps_too() -> Iterator[None]:
    """Maps of tests are small; those of torch's gradients are none here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_gradients, "_SMALL", 0)
        yield


@dataclass(frozen=True)
class Kind:
    """A convolution that is slow."""

    kernel: tuple[int, int] = (3, 3)
    dilation: int = 1
    stride: int = 1
    dense: bool = False


SLOW = [
    Kind(dilation=2),
    Kind(dilation=3),
    Kind((5, 5)),
    Kind((5, 5), dilation=2),
    Kind((7, 7)),
    Kind((1, 5)),
    Kind(stride=2),
    Kind(dilation=2, stride=2),
    Kind(dilation=2, dense=True),
    Kind((5, 5), dilation=3, dense=True),
    Kind(dilation=2, stride=2, dense=True),
]


def conv_of(channels: int, kind: Kind) -> nn.Conv2d:
    padding = (kind.dilation * (kind.kernel[0] // 2), kind.dilation * (kind.kernel[1] // 2))
    groups = 1 if kind.dense else channels
    conv = nn.Conv2d(
        channels, channels, kind.kernel, kind.stride, padding, kind.dilation, groups, bias=False
    )
    return channels_last(conv)


def gradients(conv: nn.Conv2d, x: Tensor, upon: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Output, and the gradients of input and weight."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = conv(x)
    of_x, of_weight = torch.autograd.grad(y, [x, conv.weight], upon.to(y.dtype))
    return y.detach(), of_x, of_weight


def error(found: Tensor, wanted: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    return float((found.double() - wanted.double()).abs().max() / wanted.double().abs().max())


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(SLOW),
    batch=st.integers(1, 3),
    channels=st.integers(2, 9),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    seed=st.integers(0, 999),
)
def test_gradients_are_those_of_torch_in_float64(
    kind: Kind, batch: int, channels: int, height: int, width: int, seed: int
) -> None:
    torch.manual_seed(seed)
    conv = conv_of(channels, kind).double()
    x = torch.randn(batch, channels, height, width, dtype=torch.double)
    upon = torch.randn_like(conv(x))
    for found, wanted in zip(
        gradients(FastGradientConv2d(conv), x, upon), gradients(conv, x, upon), strict=True
    ):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("kind", SLOW, ids=str)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("size", [(7, 9), (80, 66)], ids=str)
def test_on_maps_of_a_pyramid(kind: Kind, half: bool, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    conv = conv_of(8, kind)
    x = torch.randn(2, 8, *size).to(memory_format=torch.channels_last)
    upon = torch.randn_like(conv(x))
    exact = gradients(conv.double(), x.double(), upon)
    conv.float()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        value, *found = gradients(FastGradientConv2d(conv), x, upon)
        plain = conv(x)
    assert torch.equal(value, plain), "forward passes are torch's"
    for ours, wanted in zip(found, exact[1:], strict=True):
        assert ours.dtype == torch.float32
        assert error(ours, wanted) < (2e-2 if half else 1e-5)


@pytest.mark.parametrize(("outputs", "groups"), [(1, 1), (4, 1), (4, 4), (16, 4), (16, 8)])
@pytest.mark.parametrize("half", [False, True], ids=["float32", "bf16"])
def test_numbers_of_outputs_and_inputs_may_differ(outputs: int, groups: int, half: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(8, outputs, 5, padding=4, dilation=2, groups=groups, bias=False)
    x = torch.randn(2, 8, 66, 50)
    upon = torch.randn_like(conv(x))
    wanted = gradients(conv, x, upon)
    (fast,) = with_fast_gradients(nn.Sequential(conv))
    assert isinstance(fast, FastGradientConv2d)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        found = gradients(fast, x, upon)
    for each, other in zip(found, wanted, strict=True):
        assert error(each, other) < (0.02 if half else 1e-4)


@pytest.mark.parametrize("kind", SLOW, ids=str)
def test_gradients_have_gradients(kind: Kind) -> None:
    torch.manual_seed(0)
    conv = conv_of(2, kind).double()
    fast = FastGradientConv2d(conv)

    def run(x: Tensor, weight: Tensor) -> Tensor:
        return cast(Tensor, torch.func.functional_call(fast, {"weight": weight}, (x,)))

    x = torch.randn(1, 2, 5, 6, dtype=torch.double, requires_grad=True)
    weight = conv.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(run, (x, weight))
    assert torch.autograd.gradgradcheck(run, (x, weight))


def test_replaces_what_is_slow_and_keeps_names_and_weights() -> None:
    module = nn.ModuleList(
        [build_operation(name, 4) for name in ("dil_3x3_r2", "sep_3x3", "conv_1x1")]
    )
    before = dict(module.named_parameters())
    assert with_fast_gradients(module) is module
    after = dict(module.named_parameters())
    assert before.keys() == after.keys()
    assert all(before[name] is after[name] for name in before)
    kinds = [isinstance(each, FastGradientConv2d) for each in module.modules()]
    assert sum(kinds) == 1


def test_strided_pointwise_convolutions_take_positions_first() -> None:
    for conv in (nn.Conv2d(4, 6, 1, 2), nn.Conv2d(4, 6, 1, (1, 3), groups=2, bias=False)):
        x = torch.randn(2, 4, 7, 9, dtype=torch.double, requires_grad=True)
        (fast,) = with_fast_gradients(nn.Sequential(conv.double()))
        assert isinstance(fast, SubsampledConv2d)
        assert fast.weight is conv.weight
        upon = torch.randn_like(conv(x))
        torch.testing.assert_close(gradients(fast, x, upon), gradients(conv, x, upon))


def test_leaves_convolutions_that_are_something_else() -> None:
    class Padded(nn.Conv2d):
        """Could do anything."""

    others = nn.ModuleList(
        [
            Padded(4, 4, 3, 1, 2, 2, 4, bias=False),
            nn.Conv2d(4, 4, 3, 1, 2, 2, 4, bias=True),
            nn.Conv2d(4, 4, 3, 1, 1, 2, 4, bias=False),
            nn.Conv2d(4, 8, 5, 1, 2, 1, 4, bias=False),
            nn.Conv2d(4, 4, 5, 1, 2, 1, 2, bias=False),
            nn.Conv2d(4, 4, 3, 1, "same", 2, 4, bias=False),
            nn.Conv2d(4, 4, 3, 1, 2, 2, 4, bias=False, padding_mode="reflect"),
        ]
    )
    before = list(others)
    assert list(with_fast_gradients(others)) == before


def test_without_gradients_it_is_the_plain_convolution() -> None:
    conv = conv_of(4, Kind(dilation=2))
    fast = FastGradientConv2d(conv)
    x = torch.randn(1, 4, 12, 12)
    with torch.no_grad():
        assert torch.equal(fast(x), conv(x))
    assert fast(x).grad_fn is not None


def test_a_normalisation_can_become_part_of_it() -> None:
    module = nn.Sequential(FastGradientConv2d(conv_of(4, Kind(stride=2))), nn.BatchNorm2d(4)).eval()
    nn.init.normal_(cast(Tensor, module[1].bias))
    x = torch.randn(1, 4, 12, 12)
    torch.testing.assert_close(fuse_conv_bn(module)(x), module(x))

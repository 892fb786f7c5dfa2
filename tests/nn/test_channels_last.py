"""Strided operations in channels-last memory on CPU: a process of theirs lives, and is right.

Below torch, the backward pass of some strided convolutions damages memory, which ends the process
at once or later; so what is tested here runs in a process of its own.
"""

import copy
import os
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import torch
from processes import ForkedProcess
from torch import Tensor, nn

from nasface.arch.io import load_genotype, load_search_space
from nasface.arch.operations import OPERATIONS
from nasface.classification.layout import NetworkConfig
from nasface.classification.network import Classifier, SearchClassifier
from nasface.nas.policy import Softmax
from nasface.nn.blocks import FactorizedReduce, channels_last
from nasface.nn.fast_gradients import with_fast_gradients
from nasface.nn.operations import build_operation

SIZES = ((7, 9), (33, 17), (64, 64))
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 12, 16)


def operations() -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Every operation at stride 2, and what it is applied to."""
    for name, entry in OPERATIONS.items():
        for channels in CHANNELS:
            for dense in (False, True) if entry.dense else (False,):
                operation = build_operation(name, channels, 2, dense=dense)
                for size in SIZES:
                    yield f"{name}, {channels} channels", operation, torch.randn(3, channels, *size)


def strangers() -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Strided 1x1 convolutions of operations and backbones that are not ours, as jobs have them."""
    for channels, outputs in product(CHANNELS, (1, 2, 8)):
        for stride, bias in (((2, 2), False), ((1, 2), True), ((3, 3), False)):
            conv = nn.Conv2d(channels, outputs, 1, stride, bias=bias)
            for size in SIZES:
                x = torch.randn(3, channels, *size)
                yield f"{conv}", with_fast_gradients(nn.Sequential(conv)), x


def networks() -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Classifiers and search networks of few channels."""
    images = torch.randn(4, 3, 32, 32)
    config = NetworkConfig(channels=4, classes=3, layers=3)
    for name in ("darts_v1", "pc_darts_cifar"):
        yield name, Classifier(load_genotype(name), config), images
    for name in ("darts", "pc-darts"):
        space = load_search_space(name, {"nodes": 2})
        yield f"search in {name}", SearchClassifier(space, config), images


def gradients(module: nn.Module, x: Tensor) -> list[Tensor]:
    """The output and the gradients of the input and of all parameters."""
    x = x.detach().requires_grad_()
    if isinstance(module, SearchClassifier):
        y = module(x, module.arch_parameters.mixture(Softmax(), seed=0, step=0))
    else:
        y = module(x)
    y = y[0] if isinstance(y, tuple) else y
    weights = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).view(y.shape)
    (y * weights.to(y.dtype)).sum().backward()
    parameters = [each.grad for each in module.parameters() if each.grad is not None]
    assert x.grad is not None
    return [y.detach(), x.grad, *parameters]


def compare(name: str, module: nn.Module, x: Tensor) -> None:
    """In channels-last memory as in float64, which takes another way below torch."""
    if name.startswith("none"):
        return
    found = gradients(
        channels_last(copy.deepcopy(module)), x.contiguous(memory_format=torch.channels_last)
    )
    expected = gradients(copy.deepcopy(module).double(), x.double())
    for ours, theirs in zip(found, expected, strict=True):
        scale = theirs.abs().max().clamp(min=1)
        assert (ours - theirs).abs().max() <= 2e-3 * scale, name


@pytest.mark.parametrize("what", ["operations", "networks", "strangers"])
def test_a_process_lives_and_is_right(what: str, tmp_path: Path) -> None:
    process = ForkedProcess(__file__, [what], dict(os.environ), tmp_path, what)
    code, said, errors = process.finish(600)
    assert (code, said) == (0, f"{what} done\n"), errors


def strided(module: FactorizedReduce) -> nn.Module:
    """DARTS' own form, with convolutions that are strided."""
    with_stride = copy.deepcopy(module)
    for name in ("even", "odd"):
        conv = getattr(module, name)
        copied = nn.Conv2d(conv.in_channels, conv.out_channels, 1, 2, bias=False)
        copied.load_state_dict(conv.state_dict())
        setattr(with_stride, name, copied)

    class Darts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = with_stride

        def forward(self, x: Tensor) -> Tensor:
            height, width = x.shape[-2:]
            whole = nn.functional.pad(x, (0, width % 2, 0, height % 2))
            assert self.inner.odd is not None
            halves = [self.inner.even(x), self.inner.odd(whole[..., 1:, 1:])]
            return torch.as_tensor(self.inner.norm(torch.cat(halves, 1)))

    return Darts()


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 1), (1, 4), (5, 1)])
@pytest.mark.parametrize("channels", [2, 3, 16])
def test_values_are_those_of_strided_convolutions(channels: int, size: tuple[int, int]) -> None:
    x = torch.randn(3, channels, *size, dtype=torch.float64)
    reduce = FactorizedReduce(channels, channels, affine=True).double()
    for ours, theirs in zip(
        gradients(reduce, x), gradients(strided(reduce).double(), x), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    pointwise = build_operation("conv_1x1", channels, 2)
    plain = nn.Sequential(
        nn.ReLU(), nn.Conv2d(channels, channels, 1, 2, bias=False), nn.BatchNorm2d(channels)
    )
    plain.load_state_dict(pointwise.state_dict())
    for ours, theirs in zip(
        gradients(pointwise.double(), x), gradients(plain.double(), x), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


if __name__ == "__main__":
    torch.manual_seed(0)
    cases = {"operations": operations, "networks": networks, "strangers": strangers}
    for each in cases[sys.argv[1]]():
        compare(*each)
    print(f"{sys.argv[1]} done")

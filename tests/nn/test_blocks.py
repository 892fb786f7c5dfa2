"""Blocks against plain loops."""

import pytest
import torch
from torch import nn

from nasface.nn.blocks import (
    FactorizedReduce,
    Zero,
    conv_norm_relu,
    resample,
    separable_conv_norm_relu,
    shuffle_together,
)


@pytest.mark.parametrize(("channels", "groups"), [(8, 4), (8, 2), (12, 3), (4, 4)])
def test_channel_shuffle_by_its_formula(channels: int, groups: int) -> None:
    whole = torch.randn(2, channels, 3, 5)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        x = whole.contiguous(memory_format=memory_format)
        width = channels // groups
        # as an operation leaves its part, and as a view of what goes round it
        y = shuffle_together(x[:, :width].contiguous(memory_format=memory_format), x[:, width:])
        assert y.is_contiguous(memory_format=memory_format)
        for c in range(channels):
            taken = (c % groups) * (channels // groups) + c // groups
            assert torch.equal(y[:, c], x[:, taken])


@pytest.mark.parametrize("height", [1, 2, 5, 8])
@pytest.mark.parametrize("width", [1, 3, 6])
def test_resample_sizes(height: int, width: int) -> None:
    x = torch.randn(2, 3, height, width)
    assert resample(x, "none", (9, 9)) is x
    assert resample(x, "stride", (9, 9)) is x
    assert resample(x, "up2", None).shape == (2, 3, 2 * height, 2 * width)
    assert resample(x, "up2", (2 * height - 1, 2 * width)).shape[-2:] == (2 * height - 1, 2 * width)
    assert resample(x, "down2", None).shape == (2, 3, (height + 1) // 2, (width + 1) // 2)


def test_up2_is_bilinear_with_the_corners_aligned() -> None:
    x = torch.tensor([[[[0.0, 3.0], [6.0, 9.0]]]])
    rows = torch.tensor([0.0, 1.0, 2.0, 3.0])
    assert torch.allclose(resample(x, "up2", None)[0, 0], 2 * rows[:, None] + rows)


def test_down2_is_the_greatest_of_3x3() -> None:
    x = torch.randn(1, 2, 5, 4) - 5
    y = resample(x, "down2", None)
    for i in range(3):
        for j in range(2):
            window = x[..., max(2 * i - 1, 0) : 2 * i + 2, max(2 * j - 1, 0) : 2 * j + 2]
            assert torch.equal(y[..., i, j], window.amax((2, 3)))


@pytest.mark.parametrize("channels", [4, 5])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (5, 4), (4, 7), (5, 5), (1, 1)])
def test_factorized_reduce_by_loop(channels: int, height: int, width: int) -> None:
    module = FactorizedReduce(channels, channels, affine=False).eval()
    assert module.odd is not None
    x = torch.randn(2, channels, height, width)
    y = module(x)
    assert y.shape == (2, channels, (height + 1) // 2, (width + 1) // 2)
    outside = torch.zeros(2, channels)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            even = x[:, :, 2 * i, 2 * j]
            inside = 2 * i + 1 < height and 2 * j + 1 < width
            odd = x[:, :, 2 * i + 1, 2 * j + 1] if inside else outside
            halves = [
                even @ module.even.weight[:, :, 0, 0].T,
                odd @ module.odd.weight[:, :, 0, 0].T,
            ]
            expected = torch.cat(halves, dim=1) / (1 + module.norm.eps) ** 0.5
            assert torch.allclose(y[:, :, i, j], expected, atol=1e-6)


def test_factorized_reduce_is_exported_at_any_size() -> None:
    module = FactorizedReduce(2, 4, affine=False).eval()
    sides = {2: torch.export.Dim("height", min=3), 3: torch.export.Dim("width", min=3)}
    program = torch.export.export(module, (torch.randn(1, 2, 6, 7),), dynamic_shapes=(sides,))
    for height, width in ((6, 7), (5, 4), (9, 9), (3, 3)):
        x = torch.randn(1, 2, height, width)
        torch.testing.assert_close(program.module()(x), module(x))


def test_zero_is_zero_even_for_infinite_input() -> None:
    x = torch.full((1, 2, 5, 4), torch.inf)
    assert torch.equal(Zero(1)(x), torch.zeros(1, 2, 5, 4))
    assert torch.equal(Zero(2)(x), torch.zeros(1, 2, 3, 2))


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (7, 2)])
def test_conv_norm_relu(kernel: int, stride: int) -> None:
    block = conv_norm_relu(4, 6, kernel, stride, groups=2)
    y = block(torch.randn(2, 4, 9, 8))
    assert y.shape == (2, 6, -(-9 // stride), -(-8 // stride))
    assert y.min() == 0
    assert [type(part) for part in block] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert [tuple(p.shape) for p in block.parameters()] == [(6, 2, kernel, kernel), (6,), (6,)]


def test_separable_conv_norm_relu() -> None:
    block = separable_conv_norm_relu(4)
    assert block(torch.randn(2, 4, 5, 5)).shape == (2, 4, 5, 5)
    assert [tuple(p.shape) for p in block.parameters()] == [(4, 1, 3, 3), (4, 4, 1, 1), (4,), (4,)]

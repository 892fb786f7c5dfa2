"""Each operation: sizes, gradients, order of its parts, receptive field."""

import pytest
import torch
from torch import Tensor, nn

from nasface.arch.operations import OPERATIONS
from nasface.nn.blocks import FactorizedReduce, Zero
from nasface.nn.operations import build_operation

C = 4
POOLING = {name for name, operation in OPERATIONS.items() if operation.needs_norm}
REACH = {
    "conv_1x1": (1, 1),
    "sep_3x3": (3, 1),
    "sep_5x5": (5, 1),
    "sep_7x7": (7, 1),
    "dil_3x3_r2": (3, 2),
    "dil_3x3_r3": (3, 3),
    "dil_5x5_r2": (5, 2),
    "conv_1x3_3x1": (3, 1),
    "conv_1x5_5x1": (5, 1),
    "dense_3x3": (3, 1),
    "narrow_3x3": (3, 1),
    "sep_3x3_twice": (5, 1),
    "sep_5x5_twice": (9, 1),
    "sep_7x7_twice": (13, 1),
    "dense_1x7_7x1": (7, 1),
}
"""Side of the square of positions that an output position looks at, and their spacing."""


def test_every_operation_is_tested() -> None:
    assert set(REACH) == set(OPERATIONS) - POOLING - {"none", "skip"}


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", OPERATIONS)
def test_size_and_gradients(name: str, stride: int, affine: bool) -> None:
    for channels, height, width in ((C, 8, 6), (C, 7, 5), (5, 1, 3), (C, 1, 1)):
        operation = build_operation(name, channels, stride, affine)
        x = torch.randn(3, channels, height, width, requires_grad=True)
        y = operation(x)
        assert y.shape == (3, channels, -(-height // stride), -(-width // stride))
        if name == "none":
            assert not y.any()
            continue
        (y * torch.randn(y.shape)).sum().backward()
        assert x.grad is not None
        without = [key for key, value in operation.named_parameters() if value.grad is None]
        assert without == []
        norms = [each for each in operation.modules() if isinstance(each, nn.BatchNorm2d)]
        assert all(norm.affine == affine for norm in norms)


@pytest.mark.parametrize("name", sorted(set(REACH) - {"narrow_3x3"}))
def test_relu_depthwise_pointwise_normalisation(name: str) -> None:
    operation = build_operation(name, C)
    kinds = []
    for part in operation.modules():
        if isinstance(part, nn.Sequential):
            continue
        if isinstance(part, nn.Conv2d):
            assert part.bias is None
            pointwise = part.kernel_size == (1, 1)
            kinds.append("pointwise" if pointwise else "depthwise" if part.groups == C else "dense")
            assert part.groups == (C if kinds[-1] == "depthwise" else 1)
        else:
            kinds.append(type(part).__name__)
    middle = {
        "conv_1x1": ["pointwise"],
        "dense_3x3": ["dense"],
        "dense_1x7_7x1": ["dense", "dense"],
        "conv_1x3_3x1": ["depthwise", "depthwise", "pointwise"],
        "conv_1x5_5x1": ["depthwise", "depthwise", "pointwise"],
    }.get(name, ["depthwise", "pointwise"])
    assert kinds == ["ReLU", *middle, "BatchNorm2d"] * (2 if name.endswith("twice") else 1)
    # the same seen from outside: nothing of negative input passes, the output is normalised
    negative = -torch.rand(2, C, 9, 9) - 0.1
    assert torch.equal(operation.eval()(negative), operation(torch.zeros(2, C, 9, 9)))
    y = operation.train()(torch.randn(4, C, 9, 9))
    assert torch.allclose(y.mean((0, 2, 3)), torch.zeros(C), atol=1e-5)
    assert torch.allclose(y.var((0, 2, 3), correction=0), torch.ones(C), atol=2e-2)


@pytest.mark.parametrize("name", REACH)
def test_receptive_field(name: str) -> None:
    """Which outputs change with the middle pixel; weights of one leave nothing to cancel."""
    operation = build_operation(name, C).eval()
    for part in operation.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.ones_(part.weight)
    size, middle = 25, 12
    x = torch.ones(1, C, size, size)
    disturbed = x.clone()
    disturbed[0, 1, middle, middle] += 1
    with torch.no_grad():
        change = (operation(disturbed) - operation(x)).abs().amax((0, 1))
    side, spacing = REACH[name]
    offsets = [spacing * at for at in range(-(side // 2), side // 2 + 1)]
    expected = torch.zeros(size, size, dtype=torch.bool)
    for down in offsets:
        for right in offsets:
            expected[middle + down, middle + right] = True
    assert torch.equal(change > 1e-3, expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", sorted(POOLING))
def test_pooling_by_loop(name: str, stride: int) -> None:
    x = torch.randn(1, 2, 5, 6) - 3  # negative, so that a zero of the padding would show
    y = build_operation(name, 2, stride)(x)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            top, left = i * stride, j * stride
            window = x[..., max(top - 1, 0) : top + 2, max(left - 1, 0) : left + 2].flatten(2)
            expected: Tensor = window.amax(2) if name == "max_pool_3x3" else window.mean(2)
            assert torch.allclose(y[..., i, j], expected)


def test_skip_and_none() -> None:
    x = torch.randn(1, C, 5, 5)
    assert torch.equal(build_operation("skip", C)(x), x)
    relu, reduce = build_operation("skip", C, 2).children()
    assert isinstance(relu, nn.ReLU)
    assert isinstance(reduce, FactorizedReduce)
    none = build_operation("none", C, 2)
    assert isinstance(none, Zero)
    assert torch.equal(none(x), torch.zeros(1, C, 3, 3))


def test_a_narrow_convolution_goes_through_a_quarter_of_the_channels() -> None:
    convolutions = [e for e in build_operation("narrow_3x3", 16).modules() if hasattr(e, "weight")]
    shapes = [tuple(e.weight.shape) for e in convolutions if isinstance(e, nn.Conv2d)]
    assert shapes == [(4, 16, 1, 1), (16, 4, 3, 3)]

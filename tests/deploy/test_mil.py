"""Operators of Core ML, computed as torch's own layers do it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nasface.deploy.runtimes.mil import evaluate_graph
from nasface.errors import ExportError

IMAGES = torch.randn(2, 4, 7, 9, generator=torch.Generator().manual_seed(0))


def compute(operator: str, **operands: Any) -> torch.Tensor:
    """The result of one operator with the images as its operand x."""
    given = SimpleNamespace(name="images")
    constants = {
        name: SimpleNamespace(name=f"constant_{name}", val=value)
        for name, value in operands.items()
    }
    made = SimpleNamespace(name="made")
    node = SimpleNamespace(op_type=operator, inputs={"x": given, **constants}, outputs=[made])
    graph = SimpleNamespace(operations=[node], outputs=[made])
    return evaluate_graph(graph, {"images": IMAGES})["made"]


def test_convolution() -> None:
    layer = nn.Conv2d(4, 6, (3, 1), (2, 1), (1, 0), groups=2).requires_grad_(False)
    assert layer.bias is not None
    found = compute(
        "conv", weight=layer.weight.numpy(), bias=layer.bias.numpy(),
        strides=np.array([2, 1]), pad_type="custom", pad=np.array([1, 1, 0, 0]),
        dilations=np.array([1, 1]), groups=np.int32(2),
    )  # fmt: skip
    torch.testing.assert_close(found, layer(IMAGES))


@pytest.mark.parametrize("exclude", [True, False])
def test_average_pooling(exclude: bool) -> None:
    found = compute(
        "avg_pool", kernel_sizes=np.array([3, 3]), strides=np.array([2, 2]), pad_type="custom",
        pad=np.array([1, 1, 1, 1]), exclude_padding_from_average=exclude,
    )  # fmt: skip
    torch.testing.assert_close(found, nn.AvgPool2d(3, 2, 1, count_include_pad=not exclude)(IMAGES))


def test_greatest_of_negative_values_at_a_border() -> None:
    found = compute(
        "max_pool", kernel_sizes=np.array([3, 3]), strides=np.array([2, 2]), pad_type="custom",
        pad=np.array([1, 1, 1, 1]), ceil_mode=False,
    )  # fmt: skip
    torch.testing.assert_close(found, nn.MaxPool2d(3, 2, 1)(IMAGES))


def test_slices_with_open_ends() -> None:
    found = compute(
        "slice_by_index", begin=np.array([0, 1, 2, 0]), end=np.array([0, 3, 7, 0]),
        begin_mask=np.array([True, False, False, True]),
        end_mask=np.array([True, False, False, True]), stride=np.array([1, 1, 2, 1]),
    )  # fmt: skip
    assert torch.equal(found, IMAGES[:, 1:3, 2:7:2])


def test_normalisation() -> None:
    layer = nn.BatchNorm2d(4).eval().requires_grad_(False)
    nn.init.normal_(layer.weight)
    layer.running_mean, layer.running_var = torch.randn(4), torch.rand(4) + 0.5
    found = compute(
        "batch_norm", mean=layer.running_mean.numpy(), variance=layer.running_var.numpy(),
        gamma=layer.weight.numpy(), beta=layer.bias.numpy(), epsilon=np.float32(1e-5),
    )  # fmt: skip
    torch.testing.assert_close(found, layer(IMAGES))


@pytest.mark.parametrize(
    ("operator", "operands", "message"),
    [
        ("erf", {}, "operator erf of Core ML"),
        ("conv", {"pad_type": "same"}, "pad_type same"),
        (
            "upsample_nearest_neighbor",
            {"scale_factor_height": 13 / 7, "scale_factor_width": 17 / 9},
            "by a broken factor",
        ),
        ("resize_bilinear", {"sampling_mode": "DEFAULT"}, "sampling_mode DEFAULT"),
    ],
)
def test_what_is_not_known_is_refused(
    operator: str, operands: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExportError, match=f"cannot be compared: .*{message}"):
        compute(operator, **operands)

"""The parts of a classifier around its cells.

Shape letters: B image, C channel, H height, W width, K class.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn

from nasface.classification.layout import Layer
from nasface.nn.blocks import FactorizedReduce


def _conv_norm(
    in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, affine: bool = True
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels, affine=affine),
    )


class CifarStem(nn.Module):
    """(B, 3, H, W) -> twice the same (B, C, H, W), the inputs of the first cell, rectified."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = _conv_norm(3, channels, 3)

    def forward(self, images_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the module."""
        value = F.relu(self.layers(images_B3HW))
        return value, value


class ImageNetStem(nn.Module):
    """(B, 3, H, W) -> (B, C, H/4, W/4) and (B, C, H/8, W/8), the inputs of the first cell,
    rectified."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.quarter = nn.Sequential(
            *_conv_norm(3, channels // 2, 3, 2),
            nn.ReLU(),
            *_conv_norm(channels // 2, channels, 3, 2),
        )
        self.eighth = _conv_norm(channels, channels, 3, 2)

    def forward(self, images_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the module."""
        quarter = F.relu(self.quarter(images_B3HW))
        return quarter, F.relu(self.eighth(quarter))


class StackedCell(nn.Module):
    """A cell with its two inputs brought to its width and to one resolution.

    DARTS rectifies an output in each of the two cells that take it; here the network does so once,
    which gives the same values and keeps one map less for the backward pass.
    """

    def __init__(self, layer: Layer, cell: nn.Module, affine: bool) -> None:
        super().__init__()
        self.name = layer.cell
        first, second = layer.widths
        self.first = (
            FactorizedReduce(first, layer.channels, affine)
            if layer.shrink_first
            else _conv_norm(first, layer.channels, affine=affine)
        )
        self.second = _conv_norm(second, layer.channels, affine=affine)
        self.cell = cell

    def forward(self, before_last: Tensor, last: Tensor, mixture: Sequence[Any] = ()) -> Tensor:
        """Compute the output from rectified inputs; a search cell takes its mixture as well."""
        inputs = [self.first(before_last), self.second(last)]
        outputs: Mapping[int, Tensor] = self.cell(inputs, *mixture)
        return next(iter(outputs.values()))


class ClassifierHead(nn.Module):
    """Global average pooling and a linear layer: (B, C, H, W) -> (B, K)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the module."""
        return cast(Tensor, self.classifier(x_BCHW.mean((2, 3))))


class AuxiliaryHead(nn.Module):
    """A second classifier, for maps (B, C, H, W) of 8 x 8 pixels on CIFAR or 14 x 14 on ImageNet.

    On larger maps, which DARTS does not take, the last features are averaged. The last convolution
    has no normalisation in the ImageNet network: published parameter counts and weights of DARTS
    are without it.
    """

    def __init__(self, channels: int, classes: int, *, stride: int, last_norm: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            *([nn.BatchNorm2d(768)] if last_norm else []),
            nn.ReLU(),
        )
        self.head = ClassifierHead(768, classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the logits (B, K)."""
        return cast(Tensor, self.head(self.layers(x_BCHW)))

"""Pieces that operations, cells and detectors are made of.

Shape letters: B image, C channel, H height, W width.
"""

from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasface.arch.graph import Transform


def conv_1x1(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Return a 1x1 convolution without bias."""
    return nn.Conv2d(in_channels, out_channels, 1, bias=False)


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Return a convolution (no bias, output as large as the input over the stride), normalisation
    and ReLU."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def separable_conv_norm_relu(channels: int) -> nn.Sequential:
    """Return depthwise 3x3, pointwise 1x1, normalisation and ReLU: the light form of a 3x3
    layer."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False),
        *conv_norm_relu(channels, channels),
    )


def depthwise_separable(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Return depthwise 3x3, then 1x1, each with normalisation and ReLU (MobileNetV1)."""
    return nn.Sequential(
        *conv_norm_relu(in_channels, in_channels, 3, stride, groups=in_channels),
        *conv_norm_relu(in_channels, out_channels),
    )


Module = TypeVar("Module", bound=nn.Module)


def memory_format(device: torch.device) -> torch.memory_format:
    """Return channels last, on CPU more than twice as fast here; on MPS, whose kernels are made so,
    the usual format."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def channels_last(module: Module) -> Module:
    """Return the module with its weights in the memory format of its device, as
    :func:`memory_format`."""
    device = next((each.device for each in module.parameters()), torch.device("cpu"))
    # torch's stubs know the memory format of tensors only.
    return module.to(memory_format=memory_format(device))  # type: ignore[call-overload,no-any-return]


def soften_rectifiers(module: nn.Module, slope: float) -> None:
    """Make each layer :class:`torch.nn.ReLU` of a module leaky: a ``slope`` below 0. In place."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(parent, name, nn.LeakyReLU(slope, inplace=child.inplace))


class FactorizedReduce(nn.Module):
    """Halves the resolution without losing positions (as in DARTS).

    Two 1x1 convolutions look at the even and the odd positions and give half of the channels each,
    then normalisation; a single channel sees the even ones. (B, C, H, W) -> (B, D, ceil(H/2),
    ceil(W/2)).

    DARTS has strided convolutions. Positions are taken first here, which gives the same values:
    on CPU, with few channels in channels-last memory, the backward pass of a strided 1x1
    convolution may damage memory (https://github.com/uxlfoundation/oneDNN/issues/6035).
    """

    def __init__(self, in_channels: int, out_channels: int, affine: bool) -> None:
        super().__init__()
        half = out_channels // 2
        self.even = nn.Conv2d(in_channels, out_channels - half, 1, bias=False)
        self.odd = nn.Conv2d(in_channels, half, 1, bias=False) if half else None
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the module."""
        even = self.even(x_BCHW[..., ::2, ::2])
        if self.odd is None:
            return cast(Tensor, self.norm(even))
        # The last odd position of an odd side lies outside the map and is padded with zeros: at any
        # size, since exporters refuse what depends on it.
        odd = F.pad(x_BCHW, (0, 1, 0, 1))[..., 1::2, 1::2]
        return cast(Tensor, self.norm(torch.cat([even, self.odd(odd)], dim=1)))


class DropPath(nn.Module):
    """In training sets whole samples to zero with probability ``rate`` and scales up the others.

    As the evaluation networks of DARTS regularise the connections of a cell; ``rate`` may be
    changed at any time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rate = 0.0

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the module."""
        if not self.training or self.rate == 0:
            return x_BCHW
        keep = 1 - self.rate
        mask = torch.empty_like(x_BCHW[:, :1, :1, :1]).bernoulli_(keep)
        return x_BCHW * (mask / keep)


class Zero(nn.Module):
    """The operation ``none``: zeros of the output's shape."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the module."""
        return torch.zeros_like(x_BCHW[..., :: self.stride, :: self.stride])


def upsample(x_BCHW: Tensor, size: tuple[int, ...] | None = None) -> Tensor:
    """Enlarge bilinearly with aligned corners, to ``size`` or to twice the height and width."""
    target = size or (2 * x_BCHW.shape[-2], 2 * x_BCHW.shape[-1])
    return F.interpolate(x_BCHW, size=target, mode="bilinear", align_corners=True)


def downsample(x_BCHW: Tensor) -> Tensor:
    """Halve by 3x3 max pooling with stride 2, to ceil(H/2), ceil(W/2)."""
    return F.max_pool2d(x_BCHW, 3, stride=2, padding=1)


def resample(x_BCHW: Tensor, transform: Transform, size: tuple[int, int] | None) -> Tensor:
    """Bring a feature map to another level, before the operation of an edge.

    ``up2`` is bilinear with aligned corners, to ``size`` where the target level's size is known
    (pyramids of odd sizes do not double exactly); ``down2`` is 3x3 max pooling with stride 2, to
    ceil(H/2), ceil(W/2). ``none`` and ``stride`` leave the map as it is.
    """
    if transform == "up2":
        return upsample(x_BCHW, size)
    if transform == "down2":
        return downsample(x_BCHW)
    return x_BCHW


def shuffle_together(inside_BCHW: Tensor, around_BCHW: Tensor) -> Tensor:
    """Interleave the channels of one map with equal blocks of those of another.

    With K blocks in all, output channel c is channel c div K of block c mod K, the first of which
    is ``inside``: the channel shuffle of PC-DARTS of both, one behind the other.
    """
    whole = torch.cat([inside_BCHW, around_BCHW], dim=1)
    return F.channel_shuffle(whole, whole.shape[1] // inside_BCHW.shape[1])

"""Hand-made necks, each after its own paper, to compare searched ones with.

They map a pyramid {level: (B, channels, H, W)}, to which the detector has already applied 1x1
laterals, to one of the same form. Two deviations hold for all: every convolution is followed by a
batch normalisation instead of a bias, also where the paper, which starts from trained weights, has
none; and maps are enlarged to the exact size of the finer level, so that images may have any size.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasface.nn.blocks import conv_norm_relu

Features = Mapping[int, Tensor]


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel: int | tuple[int, int] = 1,
    stride: int = 1,
    dilation: int = 1,
) -> nn.Sequential:
    """Return a convolution (no bias, output as large as the input over the stride) and a
    normalisation."""
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (dilation * (sides[0] // 2), dilation * (sides[1] // 2))
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, sides, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def conv_bias(in_channels: int, out_channels: int, kernel: int | tuple[int, int] = 1) -> nn.Conv2d:
    """Return a convolution with a bias, output as large as the input."""
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    return nn.Conv2d(in_channels, out_channels, sides, padding=(sides[0] // 2, sides[1] // 2))


def enlarge(x_BCHW: Tensor, like_BCHW: Tensor, mode: str = "nearest") -> Tensor:
    """Enlarge a map to the size of another one."""
    corners = True if mode == "bilinear" else None
    return F.interpolate(x_BCHW, like_BCHW.shape[-2:], mode=mode, align_corners=corners)


class FPN(nn.Module):
    """Feature pyramid (Lin et al., CVPR 2017, section 3): sums chained top-down, then a 3x3."""

    def __init__(self, channels: int, levels: Sequence[int]) -> None:
        super().__init__()
        self.smooth = by_level(levels, lambda: conv_norm(channels, channels, 3))

    def forward(self, features: Features) -> dict[int, Tensor]:
        """Map level -> map to the same."""
        merged = dict(features)
        for level in downwards(features):
            merged[level] = features[level] + enlarge(merged[level + 1], features[level])
        return {level: self.smooth[str(level)](x) for level, x in merged.items()}


class PAN(nn.Module):
    """Path aggregation (Liu et al., CVPR 2018, section 3.1): an FPN, then sums chained bottom-up
    by strided 3x3 convolutions; each followed by ReLU."""

    def __init__(self, channels: int, levels: Sequence[int]) -> None:
        super().__init__()
        self.fpn = FPN(channels, levels)
        upper = sorted(levels)[1:]
        self.down = by_level(upper, lambda: conv_norm_relu(channels, channels, 3, 2))
        self.fuse = by_level(upper, lambda: conv_norm_relu(channels, channels, 3))

    def forward(self, features: Features) -> dict[int, Tensor]:
        """Map level -> map to the same."""
        values = cast(dict[int, Tensor], self.fpn(features))
        for level in sorted(values)[1:]:
            below = self.down[str(level)](values[level - 1])
            values[level] = self.fuse[str(level)](values[level] + below)
        return values


class BiFPN(nn.Module):
    """Weighted bidirectional pyramid (Tan et al., CVPR 2020, section 3), one layer.

    Fast normalised fusion; every fused map passes SiLU and a separable 3x3. Maps are enlarged to
    the nearest and shrunk by 3x3 max pooling.
    """

    def __init__(self, channels: int, levels: Sequence[int]) -> None:
        super().__init__()
        ordered = sorted(levels)
        inner = ordered[1:-1]
        self.top_down = by_level(inner, lambda: WeightedFusion(channels, 2))
        ends = min(len(ordered), 2)
        self.out = nn.ModuleDict(
            {
                str(level): WeightedFusion(channels, 3 if level in inner else ends)
                for level in ordered
            }
        )

    def forward(self, features: Features) -> dict[int, Tensor]:
        """Map level -> map to the same."""
        lowest, *upper = sorted(features)
        inner, middle = upper[:-1], dict(features)
        for level in reversed(inner):
            x = features[level]
            middle[level] = self.top_down[str(level)]([x, enlarge(middle[level + 1], x)])
        x = features[lowest]
        above = [enlarge(middle[lowest + 1], x)] if upper else []
        out = {lowest: self.out[str(lowest)]([x, *above])}
        for level in upper:
            own = [features[level], *([middle[level]] if level in inner else ())]
            below = F.max_pool2d(out[level - 1], 3, stride=2, padding=1)
            out[level] = self.out[str(level)]([*own, below])
        return out


class WeightedFusion(nn.Module):
    """``sum(w_i x_i) / (sum(w_i) + 1e-4)`` with learned w >= 0, SiLU, separable 3x3 (BiFPN)."""

    def __init__(self, channels: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False),
            *conv_norm(channels, channels),
        )

    def forward(self, values: Sequence[Tensor]) -> Tensor:
        """Fuse maps of one size to one map."""
        weight = F.relu(self.weight)
        weight = weight / (weight.sum() + 1e-4)
        total = torch.stack([w * x for w, x in zip(weight, values, strict=True)]).sum(0)
        return cast(Tensor, self.conv(F.silu(total)))


class FemFPN(nn.Module):
    """The pyramid of DSFD's feature enhance module (Li et al., CVPR 2019, section 3.2): products
    chained top-down, a 1x1 on both factors, bilinear enlargement."""

    def __init__(self, channels: int, levels: Sequence[int]) -> None:
        super().__init__()
        ordered = sorted(levels)
        self.top = conv_norm_relu(channels, channels)
        self.above = by_level(ordered[:-1], lambda: conv_norm_relu(channels, channels))
        self.lateral = by_level(ordered[:-1], lambda: conv_norm(channels, channels))

    def forward(self, features: Features) -> dict[int, Tensor]:
        """Map level -> map to the same."""
        highest = max(features)
        values = {highest: self.top(features[highest])}
        for level in downwards(features):
            lateral = self.lateral[str(level)](features[level])
            above = self.above[str(level)](values[level + 1])
            values[level] = F.relu(lateral * enlarge(above, lateral, "bilinear"))
        return values


class FemContext(nn.Module):
    """The context part of DSFD's feature enhance module: one, two and three 3x3 layers, every other
    of them dilated by 2, that give 1/2, 1/4 and 1/4 of the channels; widths as in the authors'
    code."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        self.first = _conv_relu(in_channels, half)
        self.dilated = _conv_relu(in_channels, half, 2)
        self.second = _conv_relu(half, quarter)
        self.twice_dilated = _conv_relu(half, quarter, 2)
        self.third = _conv_relu(quarter, quarter)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, H, W)."""
        wide = self.dilated(x_BCHW)
        branches = [self.first(x_BCHW), self.second(wide), self.third(self.twice_dilated(wide))]
        return torch.cat(branches, dim=1)


class SshContext(nn.Module):
    """The detection module of SSH with its context (Najibi et al., ICCV 2017, section 3.3): a 3x3
    of half the channels beside two and three 3x3 of a quarter, which share their first."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        quarter = channels // 4
        self.near = conv_norm(in_channels, channels // 2, 3)
        self.shared = _conv_relu(in_channels, quarter)
        self.middle = conv_norm(quarter, quarter, 3)
        self.far = nn.Sequential(_conv_relu(quarter, quarter), conv_norm(quarter, quarter, 3))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, H, W)."""
        shared = self.shared(x_BCHW)
        branches = [self.near(x_BCHW), self.middle(shared), self.far(shared)]
        return F.relu(torch.cat(branches, dim=1))


class RFE(nn.Module):
    """Receptive field enhancement (SRN, Chi et al., AAAI 2019, section 3.4): four branches of a
    quarter of the channels with 1x3, 3x1, 1x5 and 5x1 between 1x1s, a 1x1, and the shortcut.

    Not ``normalised``, its convolutions have biases, as in the paper.
    """

    def __init__(self, channels: int, normalised: bool = True) -> None:
        super().__init__()
        quarter = channels // 4
        convolve = conv_norm if normalised else conv_bias
        self.branches = nn.ModuleList(
            nn.Sequential(
                convolve(channels, quarter),
                nn.ReLU(),
                convolve(quarter, quarter, kernel),
                nn.ReLU(),
                convolve(quarter, quarter),
                nn.ReLU(),
            )
            for kernel in ((1, 3), (3, 1), (1, 5), (5, 1))
        )
        self.join = convolve(channels, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same."""
        joined = self.join(torch.cat([branch(x_BCHW) for branch in self.branches], dim=1))
        return F.relu(x_BCHW + joined)


class ContextOnLevels(nn.Module):
    """A context module for each level, with its own weights, that gives all levels one width.

    ``build``: (channels of the input, of the output) -> module; ``widths``: level -> channels.
    """

    def __init__(
        self, build: Callable[[int, int], nn.Module], widths: Mapping[int, int], channels: int
    ) -> None:
        super().__init__()
        self.widths = dict.fromkeys(sorted(widths), channels)
        self.levels = nn.ModuleDict(
            {str(level): build(widths[level], channels) for level in self.widths}
        )

    def forward(self, features: Features) -> dict[int, Tensor]:
        """Map level -> map (B, its width, H, W) to level -> (B, channels, H, W)."""
        return {level: self.levels[str(level)](x) for level, x in features.items()}


class OnEachLevel(nn.Module):
    """A context module for each level, with its own weights."""

    def __init__(
        self, build: Callable[[int], nn.Module], channels: int, levels: Sequence[int]
    ) -> None:
        super().__init__()
        self.levels = by_level(levels, lambda: build(channels))

    def forward(self, features: Features) -> dict[int, Tensor]:
        """Map level -> map to the same."""
        return {level: self.levels[str(level)](x) for level, x in features.items()}


def _conv_relu(in_channels: int, out_channels: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(conv_norm(in_channels, out_channels, 3, 1, dilation), nn.ReLU())


def by_level(levels: Sequence[int], build: Callable[[], nn.Module]) -> nn.ModuleDict:
    """Return a module for each level, by the level's number."""
    return nn.ModuleDict({str(level): build() for level in sorted(levels)})


def downwards(features: Features) -> list[int]:
    """Return the levels below the highest, from above."""
    return sorted(features, reverse=True)[1:]

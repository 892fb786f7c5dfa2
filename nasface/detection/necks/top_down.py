"""Pyramids of published face detectors that lead from coarse to fine levels."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from nasface.detection.necks.handmade import Features, by_level, conv_norm, downwards, enlarge
from nasface.nn.blocks import conv_norm_relu, separable_conv_norm_relu


class RetinaFaceFPN(nn.Module):
    """The pyramid of RetinaFace (Deng et al., CVPR 2020) as its torch port has it: each sum passes
    a 3x3 before it goes on downwards; the coarsest level passes none."""

    def __init__(self, channels: int, levels: Sequence[int]) -> None:
        super().__init__()
        self.merge = by_level(sorted(levels)[:-1], lambda: conv_norm_relu(channels, channels, 3))

    def forward(self, features: Features) -> dict[int, Tensor]:
        """Map level -> map to the same."""
        merged = dict(features)
        for level in downwards(features):
            total = features[level] + enlarge(merged[level + 1], features[level])
            merged[level] = self.merge[str(level)](total)
        return merged


class ExtdFPN(nn.Module):
    """The pyramid of EXTD (Yoo et al., arXiv 1906.06579, section 3.2): what lies above is enlarged
    bilinearly, passes a separable 3x3 and is added."""

    def __init__(self, channels: int, levels: Sequence[int]) -> None:
        super().__init__()
        self.above = by_level(sorted(levels)[:-1], lambda: separable_conv_norm_relu(channels))

    def forward(self, features: Features) -> dict[int, Tensor]:
        """Map level -> map to the same."""
        merged = dict(features)
        for level in downwards(features):
            x = features[level]
            merged[level] = x + self.above[str(level)](enlarge(merged[level + 1], x, "bilinear"))
        return merged


class LFPN(nn.Module):
    """Low-level feature pyramid (PyramidBox, Tang et al., ECCV 2018, section 3.2): from level 5
    downwards products of a 1x1 of the level with the enlarged 1x1 of the level above.

    Levels above 5, which hardly see small faces, stay as they are. DSFD (Li et al., CVPR 2019,
    section 3.2) has the same in its feature enhance module. Levels keep their widths.
    """

    START = 5

    def __init__(self, widths: Mapping[int, int], channels: int) -> None:
        super().__init__()
        self.widths = dict(widths)
        lower = [level for level in sorted(widths)[:-1] if level < self.START]
        self.above = nn.ModuleDict(
            {str(level): conv_norm_relu(widths[level + 1], widths[level]) for level in lower}
        )
        self.lateral = nn.ModuleDict(
            {str(level): conv_norm(widths[level], widths[level]) for level in lower}
        )

    def forward(self, features: Features) -> dict[int, Tensor]:
        """Map level -> map to the same."""
        values = dict(features)
        for key in reversed(list(self.above)):
            level = int(key)
            lateral = self.lateral[key](features[level])
            above = enlarge(self.above[key](values[level + 1]), lateral, "bilinear")
            values[level] = F.relu(lateral * above)
        return values


class SrnFPN(nn.Module):
    """The pyramid of SRN (Chi et al., AAAI 2019, section 3.1): 1x1 laterals of levels up to 5,
    sums from above, a 3x3 for each; levels 6 and 7 by strided 3x3s from the lateral of level 5.

    Of levels above 5 alone, the finest takes the place of level 5.
    """

    START = 5

    def __init__(self, widths: Mapping[int, int], channels: int) -> None:
        super().__init__()
        self.widths = dict.fromkeys(sorted(widths), channels)
        start = max(self.START, min(widths))
        lower = [level for level in self.widths if level <= start]
        upper = [level for level in self.widths if level > start]
        self.lateral = nn.ModuleDict(
            {str(level): conv_norm(widths[level], channels) for level in lower}
        )
        self.smooth = by_level(lower, lambda: conv_norm(channels, channels, 3))
        self.down = by_level(upper, lambda: conv_norm(channels, channels, 3, 2))

    def forward(self, features: Features) -> dict[int, Tensor]:
        """Map level -> map (B, its width, H, W) to level -> (B, channels, H, W)."""
        merged = {int(key): layer(features[int(key)]) for key, layer in self.lateral.items()}
        top = merged[max(merged)]
        for level in downwards(merged):
            x = merged[level]
            merged[level] = x + enlarge(merged[level + 1], x, "bilinear")
        found: dict[int, Tensor] = {
            level: self.smooth[str(level)](x) for level, x in merged.items()
        }
        for key, layer in self.down.items():
            top = found[int(key)] = layer(top)
        return found

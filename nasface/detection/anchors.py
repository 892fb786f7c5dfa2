"""Anchors: upright boxes at every position of every level."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nasface.errors import ConfigError
from nasface.kinds import Settings


@dataclass(frozen=True)
class AnchorConfig(Settings):
    """Size and shape of the anchors (DSFD: 16 to 512 pixels on strides 4 to 128)."""

    scale: float = 4.0
    """Side of the square of equal area, in strides of the level."""
    aspect: float = 1.5
    """Height over width."""
    sides: tuple[tuple[float, ...], ...] = ()
    """Sides in pixels of the anchors at a position, level by level and as many on each, instead of
    `scale`, as [[16, 32], [64, 128], [256, 512]] in a file of settings; SCRFD has two on each of
    three levels. Empty: one by `scale`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len({len(each) for each in self.sides}) > 1 or not all(
            0 < side < math.inf for each in self.sides for side in each
        ):
            raise ConfigError(
                f"sides {self.sides}: expected as many positive numbers for each level"
            )
        if self.sides and not self.sides[0]:
            raise ConfigError("sides: expected at least one anchor at a position")
        if not (self.scale > 0 and self.aspect > 0):
            raise ConfigError(
                f"scale {self.scale}, aspect {self.aspect}: expected positive numbers"
            )

    @property
    def at_position(self) -> int:
        """Anchors at each position."""
        return len(self.sides[0]) if self.sides else 1

    def sides_of(self, strides: Sequence[int]) -> Sequence[Sequence[float]]:
        """Return the sides in pixels of the anchors at a position, for each stride."""
        return self.sides or [(self.scale * stride,) for stride in strides]


def make_anchors(
    feature_sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    config: AnchorConfig,
    *,
    scale: float = 1.0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return anchors (A, 4) float32, ``x1 y1 x2 y2`` in pixels, level by level, row by row.

    The n anchors of a position follow one another: the order of head outputs (B, K * n, H, W)
    reshaped to (B, H * W * n, K) and concatenated over the levels. ``feature_sizes`` are (rows,
    columns), one per stride; ``scale`` multiplies all sizes (0.5 for DSFD's first shot). Centres
    lie at (column + 0.5, row + 0.5) strides.
    """
    # Built anew each time (well below a millisecond): kept tensors would leak out of
    # inference_mode and torch.export into later calls.
    levels = [
        torch.stack(
            [level_anchors(*size, stride, side * scale, config.aspect, device) for side in sides],
            dim=1,
        ).flatten(0, 1)
        for size, stride, sides in zip(
            feature_sizes, strides, config.sides_of(strides), strict=True
        )
    ]
    return torch.cat(levels)


def level_anchors(
    rows: int, columns: int, stride: int, side: float, aspect: float, device: torch.device | str
) -> Tensor:
    """Return the anchors (rows * columns, 4) of a level, row by row."""
    x = (torch.arange(columns, device=device) + 0.5) * stride
    y = (torch.arange(rows, device=device) + 0.5) * stride
    y_HW, x_HW = torch.meshgrid(y, x, indexing="ij")
    half_width, half_height = side / math.sqrt(aspect) / 2, side * math.sqrt(aspect) / 2
    corners = [x_HW - half_width, y_HW - half_height, x_HW + half_width, y_HW + half_height]
    return torch.stack(corners, dim=-1).reshape(-1, 4)

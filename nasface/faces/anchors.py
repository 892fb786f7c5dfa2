"""Anchors: one upright box at every position of every level."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from nasface.errors import ConfigError


@dataclass(frozen=True)
class AnchorConfig:
    """Size and shape of the anchors (DSFD: 16 to 512 pixels on strides 4 to 128)."""

    scale: float = 4.0
    """Side of the square of equal area, in strides of the level."""
    aspect: float = 1.5
    """Height over width."""

    def __post_init__(self) -> None:
        if self.scale <= 0 or self.aspect <= 0:
            raise ConfigError(f"scale {self.scale}, aspect {self.aspect}: expected positive numbers")


def make_anchors(
    feature_sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    config: AnchorConfig,
    *,
    scale: float = 1.0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Anchors (A, 4) as ``x1 y1 x2 y2`` in pixels, level by level, row by row.

    That is the order of a (B, K, H, W) head output brought to (B, H * W, K). ``feature_sizes`` are
    (rows, columns); ``scale`` multiplies all sizes (0.5 for the first shot). Centres lie at
    (column + 0.5, row + 0.5) strides.
    """
    return _anchors(tuple(feature_sizes), tuple(strides), config, scale, torch.device(device))


@lru_cache(maxsize=32)
def _anchors(
    feature_sizes: tuple[tuple[int, int], ...],
    strides: tuple[int, ...],
    config: AnchorConfig,
    scale: float,
    device: torch.device,
) -> Tensor:
    levels = []
    for (rows, columns), stride in zip(feature_sizes, strides, strict=True):
        side = config.scale * stride * scale
        half = torch.tensor([side / math.sqrt(config.aspect), side * math.sqrt(config.aspect)]) / 2
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centre = (torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5) * stride
        levels.append(torch.cat([centre - half, centre + half], dim=1))
    return torch.cat(levels).to(device)

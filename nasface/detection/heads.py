"""Heads: class logits and box offsets of one pyramid level."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, normalize

from nasface.detection.config import DetectorConfig
from nasface.detection.pyramid import LEVELS, Form
from nasface.nn.blocks import conv_norm_relu, separable_conv_norm_relu


class Head(nn.Module):
    """Two branches over one level: class logits and box offsets, one anchor per position.

    ``layers`` of a ``form`` stand in front of the last 1x1 convolution of each branch. ``kinds``:
    how many logits stand for background and for a face; the greatest counts. With ``cosine_scale``
    logits are scaled cosines.
    """

    def __init__(
        self,
        channels: int,
        layers: int,
        form: Form,
        kinds: tuple[int, int] = (1, 1),
        cosine_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.kinds = kinds
        cosine = cosine_scale is not None
        self.classify = _branch(channels, layers, form, 0 if cosine else sum(kinds))
        self.regress = _branch(channels, layers, form, 4)
        if cosine_scale is not None:
            if layers:
                # Rectified features of background can all be zero: no direction, and no gradient.
                self.classify[-1] = cast(nn.Sequential, self.classify[-1])[:-1]
            self.classify.append(Cosine(channels, sum(kinds), cosine_scale))
        self._start_from_background()

    @torch.no_grad()
    def _start_from_background(self) -> None:
        """Faces are rare: start from a probability of 0.01 so that the first steps are calm."""
        last, rare = self.classify[-1], math.log(0.01 / 0.99)
        if not isinstance(last, Cosine):
            bias = cast(Tensor, cast(nn.Conv2d, last).bias)
            bias[: self.kinds[0]] = 0.0
            bias[self.kinds[0] :] = rare
            return
        direction_C = normalize(torch.randn(last.weight.shape[1]), dim=0)
        last.weight.mul_(0.01)
        last.weight[: self.kinds[0], :, 0, 0] += direction_C
        last.weight[self.kinds[0] :, :, 0, 0] -= direction_C
        if len(self.classify) > 1:
            # Without a bias the mean feature has to point to background: a cosine of ``toward``.
            # Features stay near it at first: all over the sphere, a few channels would give some
            # of the many background positions a great logit, and hard negatives are those.
            toward = min(0.9, -rare / (2 * last.scale))
            aside_C = torch.randn_like(direction_C)
            aside_C = normalize(aside_C - (aside_C @ direction_C) * direction_C, dim=0)
            mean_C = toward * direction_C + math.sqrt(1 - toward**2) * aside_C
            norm = cast(nn.BatchNorm2d, cast(nn.Sequential, self.classify[-2])[-1])
            norm.weight.fill_(0.1)
            norm.bias.copy_(math.sqrt(len(mean_C)) * mean_C)

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) -> logits (B, H * W, 2) and offsets (B, H * W, 4), row by row."""
        logits = _flatten(self.classify(x_BCHW))
        if sum(self.kinds) > 2:
            logits = torch.stack([each.amax(2) for each in logits.split(self.kinds, dim=2)], dim=2)
        return logits, _flatten(self.regress(x_BCHW))


def build_head(config: DetectorConfig, level: int) -> Head:
    """Build the head of a level.

    Max-in-out (S3FD, PyramidBox): several logits stand for a class. On level 2, where false
    positives abound, three are background and one is face, on the others the other way round.
    """
    return Head(*head_arguments(config, level))


def head_arguments(
    config: DetectorConfig, level: int
) -> tuple[int, int, Form, tuple[int, int], float | None]:
    """Return the arguments of :class:`Head` for a level."""
    background = 3 if level == LEVELS[0] else 1
    kinds = (background, 4 - background) if config.max_in_out else (1, 1)
    scale = config.cosine_scale if config.classifier == "cosine" else None
    return config.channels, config.head_layers, config.head, kinds, scale


class Cosine(nn.Module):
    """``scale`` times the cosine between the feature at a position and each class's vector."""

    def __init__(self, channels: int, classes: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, channels, 1, 1))
        self.scale = scale

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, classes, H, W)."""
        # A feature close to zero has hardly a direction; its gradient must not explode.
        features = normalize(x_BCHW, dim=1, eps=1e-3)
        return self.scale * conv2d(features, normalize(self.weight, dim=1))


def _branch(channels: int, layers: int, form: Form, outputs: int) -> nn.Sequential:
    """Layers and the 1x1 convolution behind them; without outputs the layers alone."""
    if form == "separable":
        body = [separable_conv_norm_relu(channels) for _ in range(layers)]
    else:
        body = [conv_norm_relu(channels, channels, 3) for _ in range(layers)]
    if not outputs:
        return nn.Sequential(*body)
    last = nn.Conv2d(channels, outputs, 1)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(cast(Tensor, last.bias))
    return nn.Sequential(*body, last)


def _flatten(x_BKHW: Tensor) -> Tensor:
    """(B, K, H, W) -> (B, H * W, K): the order of the anchors."""
    return x_BKHW.flatten(2).transpose(1, 2)

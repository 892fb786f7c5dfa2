"""Heads: class logits and box offsets of one pyramid level."""

import math
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, normalize

from nasface.detection.config import DetectorConfig
from nasface.detection.head_layers import HEAD_LAYERS, Layers
from nasface.detection.joint_head import JointHead
from nasface.errors import ConfigError


class Head(nn.Module):
    """Two branches over one level: class logits and box offsets of ``anchors`` at a position.

    ``build`` makes the ``layers`` of a branch, ``width`` channels wide (``channels`` where it is
    None), in front of its last convolution of side ``kernel``. ``kinds``: how many logits stand for
    background and for a face; the greatest counts. With ``cosine_scale`` logits are scaled cosines.
    ``companion``: kinds of a second set of outputs, that of PyramidBox's heads around the faces.

    Raises:
        ConfigError: for cosines behind layers that do not end with a normalisation and a ReLU.
    """

    def __init__(
        self,
        channels: int,
        layers: int,
        build: Layers,
        kinds: tuple[int, int] = (1, 1),
        cosine_scale: float | None = None,
        width: int | None = None,
        anchors: int = 1,
        kernel: int = 1,
        companion: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.kinds, self.companion, self.anchors = kinds, companion, anchors
        wide = (width or channels) if layers else channels
        sets = (kinds, companion) if companion else (kinds,)
        classes = anchors * sum(map(sum, sets))
        classify = build(channels, wide, layers)
        if cosine_scale is None:
            classify.append(_last(wide, classes, kernel))
        regress = build(channels, wide, layers)
        regress.append(_last(wide, 4 * anchors * len(sets), kernel))
        if cosine_scale is not None:
            if classify:
                # Rectified features of background can all be zero: no direction, and no gradient.
                classify[-1] = _without_rectifier(classify[-1])
            classify.append(Cosine(wide, classes, cosine_scale))
        self.classify, self.regress = nn.Sequential(*classify), nn.Sequential(*regress)
        self._start_from_background()

    @torch.no_grad()
    def _start_from_background(self) -> None:
        """Start from a probability of 0.01, since faces are rare, so that the first steps are
        calm."""
        last, rare = self.classify[-1], math.log(0.01 / 0.99)
        if not isinstance(last, Cosine):
            bias = cast(Tensor, cast(nn.Conv2d, last).bias)
            sets = (self.kinds, self.companion) if self.companion else (self.kinds,)
            starts = [[0.0] * background + [rare] * face for background, face in sets]
            bias.copy_(bias.new_tensor([x for each in starts for x in each * self.anchors]))
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
        """Map (B, C, H, W) to logits (B, H * W * n, 2) and offsets (B, H * W * n, 4) of n anchors
        at a position, row by row."""
        return self.predict_sets(x_BCHW)[0]

    def predict_sets(self, x_BCHW: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the outputs of :meth:`forward`, followed by those of the companion, if any."""
        logits, deltas = _flatten(self.classify(x_BCHW)), _flatten(self.regress(x_BCHW))
        if self.companion is None:
            return [self._anchor_by_anchor(logits, deltas, self.kinds)]
        first = self.anchors * sum(self.kinds)
        of_boxes = 4 * self.anchors
        return [
            self._anchor_by_anchor(logits[..., :first], deltas[..., :of_boxes], self.kinds),
            self._anchor_by_anchor(logits[..., first:], deltas[..., of_boxes:], self.companion),
        ]

    def _anchor_by_anchor(
        self, logits: Tensor, deltas: Tensor, kinds: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, H * W, K) of a set as logits and offsets of its anchors."""
        if self.anchors > 1:
            logits = logits.unflatten(2, (self.anchors, sum(kinds))).flatten(1, 2)
            deltas = deltas.unflatten(2, (self.anchors, 4)).flatten(1, 2)
        if sum(kinds) > 2:
            logits = torch.stack([each.amax(2) for each in logits.split(kinds, dim=2)], dim=2)
        return logits, deltas


def build_head(config: DetectorConfig, level: int, channels: int | None = None) -> nn.Module:
    """Build the head of a level, see :func:`head_builder`."""
    return head_builder(config, level, channels)()


def head_builder(
    config: DetectorConfig, level: int, channels: int | None = None
) -> Callable[[], nn.Module]:
    """Return what builds the head of a level whose map has ``channels``, those of the pyramid
    unless given: a :class:`Head`, or a :class:`JointHead` for joint branches."""
    channels = channels or config.channels
    if config.head_branches == "joint":
        width = config.head_channels or config.channels
        return partial(JointHead, channels, width, config.head_layers, config.anchors.at_position)
    companion = None
    if config.first_shot == "pyramid":
        companion = (3, 1) if level == config.levels[0] and config.max_in_out else (1, 1)
    return partial(
        Head,
        channels,
        config.head_layers,
        HEAD_LAYERS.find(config.head).build,
        logit_kinds(config, level),
        config.cosine_scale if config.classifier == "cosine" else None,
        config.head_channels,
        config.anchors.at_position,
        config.head_kernel,
        companion,
    )


def logit_kinds(config: DetectorConfig, level: int) -> tuple[int, int]:
    """Return how many logits stand for background and for a face on a level.

    Max-in-out: on the finest level, where false positives abound, three are background and one is
    face, on the others the other way round (PyramidBox); or one of each there (S3FD's max-out
    background label). The papers' finest level is 2, of stride 4.
    """
    finest = level == config.levels[0]
    if config.max_in_out:
        return (3, 1) if finest else (1, 3)
    return (3, 1) if config.max_out_background and finest else (1, 1)


class Cosine(nn.Module):
    """``scale`` times the cosine between the feature at a position and each class's vector."""

    def __init__(self, channels: int, classes: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, channels, 1, 1))
        self.scale = scale

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, classes, H, W)."""
        # A feature close to zero has hardly a direction; its gradient must not explode.
        features = normalize(x_BCHW, dim=1, eps=1e-3)
        return self.scale * conv2d(features, normalize(self.weight, dim=1))


def _last(channels: int, outputs: int, kernel: int) -> nn.Conv2d:
    """Return the last convolution of a branch."""
    last = nn.Conv2d(channels, outputs, kernel, 1, kernel // 2)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(cast(Tensor, last.bias))
    return last


def _without_rectifier(layer: nn.Module) -> nn.Sequential:
    """Return a layer without the ReLU at its end."""
    kept = [*layer.children()][:-1]
    if not kept or not isinstance(kept[-1], nn.BatchNorm2d):
        raise ConfigError(
            "classifier cosine: expected layers of the head that end with a normalisation and a "
            "ReLU, such as separable or dense"
        )
    return nn.Sequential(*kept)


def _flatten(x_BKHW: Tensor) -> Tensor:
    """Map (B, K, H, W) to (B, H * W, K): the order of the anchors."""
    return x_BKHW.flatten(2).transpose(1, 2)

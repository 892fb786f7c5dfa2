"""The detector: backbone, pyramid, neck, heads.

Two shots (DSFD, and ASFD section 3.1): the heads predict once from the original pyramid with
anchors of half size and once from the enhanced pyramid. The first shot exists in training only.
"""

from collections.abc import Mapping
from typing import Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from nasface.arch.genotype import Genotype
from nasface.detection.anchors import make_anchors
from nasface.detection.backbones.registry import build_backbone
from nasface.detection.config import DetectorConfig
from nasface.detection.heads import build_head
from nasface.detection.joint_head import JointHead
from nasface.detection.necks.registry import build_neck
from nasface.detection.pyramid import ExtraLevels
from nasface.nn.blocks import conv_norm_relu
from nasface.structures import GridLevel, Predictions, ShotPair

FIRST_SHOT_SCALE = 0.5


class DetectorTrunk(nn.Module):
    """What surrounds the neck: backbone, C6 and C7, lateral 1x1s, shared heads.

    Heads differ between levels and are shared by the two shots (ASFD section 3.1).
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config.backbone)
        channels = self.backbone.channels
        self.extra: nn.Module = nn.Identity()
        if max(config.levels) > max(channels):
            self.extra = ExtraLevels(channels[5], config.extra_channels, config.extra)
        widths = {**channels, 6: config.extra_channels[0], 7: config.extra_channels[1]}
        self.laterals = nn.ModuleList(
            conv_norm_relu(widths[level], config.channels) for level in config.levels
        )
        self.heads = nn.ModuleList(_head(config, level) for level in config.levels)

    def pyramid(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Images (B, 3, H, W) -> level 2..7 -> (B, channels, ceil(H / 2**l), ceil(W / 2**l))."""
        features = self.extra(self.backbone(images_B3HW))
        return {
            level: lateral(features[level])
            for level, lateral in zip(self.config.levels, self.laterals, strict=True)
        }

    def predict(self, features: Mapping[int, Tensor], anchor_scale: float = 1.0) -> Predictions:
        """Levels 2..7 -> predictions, level by level, finest first."""
        levels = self.config.levels
        outputs = [head(features[level]) for level, head in zip(levels, self.heads, strict=True)]
        return Predictions(
            torch.cat([logits for logits, _ in outputs], dim=1),
            torch.cat([deltas for _, deltas in outputs], dim=1),
            self._anchors(features, anchor_scale),
            self.config.cosine_scale if self.config.classifier == "cosine" else 1.0,
            self._grid(features),
        )

    def predict_shots(
        self, original: Mapping[int, Tensor], enhanced: Mapping[int, Tensor], first_shot: bool
    ) -> ShotPair:
        """First shot, where it is asked for, and second shot in one pass of the heads.

        Both shots are one batch to the heads' normalisation, so that its running statistics at test
        time are those of the mixture it was trained on.
        """
        if not first_shot:
            return ShotPair(None, self.predict(enhanced))
        levels = self.config.levels
        both = {level: torch.cat([original[level], enhanced[level]]) for level in levels}
        shots = self.predict(both)
        (first, second), (of_first, of_second) = (
            shots.logits_BA2.chunk(2),
            shots.deltas_BA4.chunk(2),
        )
        anchors = self._anchors(original, FIRST_SHOT_SCALE)
        return ShotPair(
            shots._replace(logits_BA2=first, deltas_BA4=of_first, anchors_A4=anchors),
            shots._replace(logits_BA2=second, deltas_BA4=of_second),
        )

    def _grid(self, features: Mapping[int, Tensor]) -> tuple[GridLevel, ...]:
        anchors = self.config.anchors.at_position
        return tuple(
            GridLevel(features[level].shape[-2], features[level].shape[-1], 2**level, anchors)
            for level in self.config.levels
        )

    def _anchors(self, features: Mapping[int, Tensor], scale: float) -> Tensor:
        grid = self._grid(features)
        return make_anchors(
            [(each.rows, each.columns) for each in grid],
            [each.stride for each in grid],
            self.config.anchors,
            scale=scale,
            device=features[self.config.levels[0]].device,
        )


NeckType = TypeVar("NeckType", bound=nn.Module)


class TwoShotDetector(nn.Module, Generic[NeckType]):
    """A trunk with a neck in its middle."""

    def __init__(self, trunk: DetectorTrunk, neck: NeckType) -> None:
        super().__init__()
        self.trunk = trunk
        self.neck = neck
        #: modules that training leaves in evaluation mode
        self.fixed: tuple[nn.Module, ...] = ()

    def train(self, mode: bool = True) -> Self:
        """See :class:`torch.nn.Module`; frozen parts stay in evaluation mode."""
        super().train(mode)
        for module in self.fixed:
            module.eval()
        return self


class Detector(TwoShotDetector[nn.Module]):
    """A detector with a fixed neck: of a genotype, or hand-made. Call it for inference.

    Forward: images (B, 3, H, W), normalised as :func:`nasface.data.images.to_tensor` does -> the
    second shot's :class:`Predictions`.
    """

    def forward(self, images_B3HW: Tensor) -> Predictions:
        """See the class."""
        return self.trunk.predict(self.neck(self.trunk.pyramid(images_B3HW)))

    def forward_train(self, images_B3HW: Tensor, *, first_shot: bool = True) -> ShotPair:
        """Both shots, for training; without ``first_shot`` the second alone, in less time."""
        original = self.trunk.pyramid(images_B3HW)
        return self.trunk.predict_shots(original, self.neck(original), first_shot)


def _head(config: DetectorConfig, level: int) -> nn.Module:
    """The head of a level, as the settings describe it."""
    if config.head_branches == "separate":
        return build_head(config, level)
    width = config.head_channels or config.channels
    return JointHead(config.channels, width, config.head_layers, config.anchors.at_position)


def build_detector(config: DetectorConfig, genotype: Genotype | None) -> Detector:
    """The detector of a genotype or of a hand-made neck, with random weights.

    Raises:
        SpecError: if the genotype does not fit a pyramid of levels 2..7.
        ConfigError: for an unknown backbone, or a genotype without a place in the module or the
            other way round.
    """
    neck = build_neck(
        config.neck,
        genotype,
        config.channels,
        config.levels,
        config.repeats,
        dense=config.context == "dense",
    )
    return Detector(DetectorTrunk(config), neck)

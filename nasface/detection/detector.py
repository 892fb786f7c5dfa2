"""The detector: backbone, pyramid, neck, heads.

Two shots (DSFD, and ASFD section 3.1): the heads predict once from the original pyramid with
anchors of half size and once from the enhanced pyramid. The first shot exists in training only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Generic, Self, TypeVar, cast

import torch
from torch import Tensor, nn

from nasface.arch.genotype import Genotype
from nasface.detection.anchors import make_anchors
from nasface.detection.backbones.base import Backbone
from nasface.detection.backbones.registry import build_backbone
from nasface.detection.config import DetectorConfig
from nasface.detection.heads import Head, build_head
from nasface.detection.necks.registry import build_neck, widths_given
from nasface.detection.pyramid import ExtraLevels
from nasface.detection.two_step import StepOutput, refine
from nasface.errors import ConfigError
from nasface.nn.blocks import conv_norm_relu, soften_rectifiers
from nasface.structures import GridLevel, Predictions, ShotPair

FIRST_SHOT_SCALE = 0.5


class DetectorTrunk(nn.Module):
    """What surrounds the neck: backbone, C6 and C7, lateral 1x1s, heads.

    Heads differ between levels, unless one is shared by all, and are shared by the two shots (ASFD
    section 3.1). ``widths``: channels by level of what the neck gives, those of the settings unless
    given.
    """

    def __init__(self, config: DetectorConfig, widths: Mapping[int, int] | None = None) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config.backbone)
        given = _widths_of(self.backbone, config)
        self.extra: nn.Module = nn.Identity()
        if max(config.levels) > max(self.backbone.channels):
            self.extra = ExtraLevels(given[5], config.extra_channels, config.extra)
        projected = config.laterals == "projected"
        first = not projected and config.first_shot in ("shared", "two-step")
        lateral = partial(conv_norm_relu, out_channels=config.channels)
        of_levels = [given[level] for level in config.levels]
        self.pyramid_widths = _pyramid_widths(config, self.backbone)
        """Channels by level of what :meth:`pyramid` gives."""
        self.laterals = nn.ModuleList(map(lateral, of_levels) if projected else ())
        self.first_laterals = nn.ModuleList(map(lateral, of_levels) if first else ())
        """What brings the backbone's maps to the width of the heads, for the first shot."""
        of_neck = widths or dict.fromkeys(config.levels, config.channels)
        if (config.shared_head or self.first_laterals) and {*of_neck.values()} != {config.channels}:
            raise ConfigError(
                f"neck {config.neck}: gives {', '.join(map(str, of_neck.values()))} channels; a "
                f"head for all levels or shots takes {config.channels} of each"
            )
        headed = config.levels[:1] if config.shared_head else config.levels
        self.heads = nn.ModuleList(build_head(config, level, of_neck[level]) for level in headed)

    def pyramid(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Map images (B, 3, H, W) to level -> (B, channels, ceil(H / 2**l), ceil(W / 2**l)).

        Without laterals the channels are the backbone's.
        """
        features = self.extra(self.backbone(images_B3HW))
        if not self.laterals:
            return {level: features[level] for level in self.config.levels}
        return {
            level: lateral(features[level])
            for level, lateral in zip(self.config.levels, self.laterals, strict=True)
        }

    def detect(self, original: Mapping[int, Tensor], enhanced: Mapping[int, Tensor]) -> Predictions:
        """Return the second shot, which in two-step prediction refines the first."""
        if self.config.first_shot == "two-step":
            return self._two_steps(original, enhanced).second
        return self.predict(enhanced)

    def predict(self, features: Mapping[int, Tensor], anchor_scale: float = 1.0) -> Predictions:
        """Return the predictions on some levels, level by level, finest first."""
        outputs = [head(features[level]) for level, head in self._heads()]
        return self._predictions(outputs, features, self.config.levels, anchor_scale)

    def predict_shots(
        self, original: Mapping[int, Tensor], enhanced: Mapping[int, Tensor], first_shot: bool
    ) -> ShotPair:
        """Return the first shot, where it is asked for and there is one, and the second, for
        training."""
        kind = self.config.first_shot
        if kind == "two-step":
            steps = self._two_steps(original, enhanced)
            return steps if first_shot else ShotPair(None, steps.second)
        if not first_shot or kind == "none":
            return ShotPair(None, self.predict(enhanced))
        if kind == "pyramid":
            return self._pyramid_shots(enhanced)
        first, second = self._both(original, enhanced)
        return ShotPair(
            self._predictions(first, original, self.config.levels, FIRST_SHOT_SCALE),
            self._predictions(second, enhanced, self.config.levels, 1.0),
        )

    def _both(
        self, original: Mapping[int, Tensor], enhanced: Mapping[int, Tensor]
    ) -> tuple[list[StepOutput], list[StepOutput]]:
        """Return the head outputs of both pyramids, level by level.

        Both form one batch for the heads' normalisation, so that its running statistics are those
        of the mixture that it was trained on.
        """
        levels = self.config.levels
        if self.first_laterals:
            original = {
                level: lateral(original[level])
                for level, lateral in zip(levels, self.first_laterals, strict=True)
            }
        batch = enhanced[levels[0]].shape[0]
        first, second = [], []
        for level, head in self._heads():
            logits, deltas = head(torch.cat([original[level], enhanced[level]]))
            first.append((logits[:batch], deltas[:batch]))
            second.append((logits[batch:], deltas[batch:]))
        return first, second

    def _two_steps(
        self, original: Mapping[int, Tensor], enhanced: Mapping[int, Tensor]
    ) -> ShotPair:
        """Return the shots of two steps: the finer half of the levels is filtered, the anchors of
        the others are moved."""
        levels = self.config.levels
        first, second = refine(*self._both(original, enhanced), len(levels) // 2)
        return ShotPair(
            self._predictions(first, enhanced, levels, 1.0),
            self._predictions(second, enhanced, levels, 1.0),
        )

    def _pyramid_shots(self, enhanced: Mapping[int, Tensor]) -> ShotPair:
        """Return the shots of faces and, by the same heads, of what surrounds them, on all levels
        but the finest.

        PyramidBox (section 3.1) asks the anchors of a level for faces of half their size, too.
        """
        sets = [cast(Head, head).predict_sets(enhanced[level]) for level, head in self._heads()]
        levels = self.config.levels
        faces, around = [each[0] for each in sets], [each[1] for each in sets[1:]]
        return ShotPair(
            self._predictions(around, enhanced, levels[1:], FIRST_SHOT_SCALE),
            self._predictions(faces, enhanced, levels, 1.0),
        )

    def _heads(self) -> list[tuple[int, nn.Module]]:
        """Return the levels with their heads."""
        levels = self.config.levels
        heads = list(self.heads) * (len(levels) if self.config.shared_head else 1)
        return list(zip(levels, heads, strict=True))

    def _predictions(
        self,
        outputs: Sequence[StepOutput],
        features: Mapping[int, Tensor],
        levels: Sequence[int],
        anchor_scale: float,
    ) -> Predictions:
        return Predictions(
            torch.cat([logits for logits, _ in outputs], dim=1),
            torch.cat([deltas for _, deltas in outputs], dim=1),
            self._anchors(features, levels, anchor_scale),
            self.config.cosine_scale if self.config.classifier == "cosine" else 1.0,
            self._grid(features, levels),
        )

    def _grid(self, features: Mapping[int, Tensor], levels: Sequence[int]) -> tuple[GridLevel, ...]:
        anchors = self.config.anchors.at_position
        return tuple(
            GridLevel(features[level].shape[-2], features[level].shape[-1], 2**level, anchors)
            for level in levels
        )

    def _anchors(
        self, features: Mapping[int, Tensor], levels: Sequence[int], scale: float
    ) -> Tensor:
        config = self.config.anchors
        if config.sides:
            first = self.config.levels.index(levels[0])
            config = replace(config, sides=config.sides[first : first + len(levels)])
        grid = self._grid(features, levels)
        return make_anchors(
            [(each.rows, each.columns) for each in grid],
            [each.stride for each in grid],
            config,
            scale=scale,
            device=features[levels[0]].device,
        )


NeckType = TypeVar("NeckType", bound=nn.Module)


class TwoShotDetector(nn.Module, Generic[NeckType]):
    """A trunk with a neck in its middle."""

    def __init__(self, trunk: DetectorTrunk, neck: NeckType) -> None:
        super().__init__()
        self.trunk = trunk
        self.neck = neck
        self.fixed: tuple[nn.Module, ...] = ()
        """Modules that training leaves in evaluation mode."""

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
        original = self.trunk.pyramid(images_B3HW)
        return self.trunk.detect(original, self.neck(original))

    def forward_train(self, images_B3HW: Tensor, *, first_shot: bool = True) -> ShotPair:
        """Return both shots, for training; without ``first_shot`` the second alone, in less
        time."""
        original = self.trunk.pyramid(images_B3HW)
        return self.trunk.predict_shots(original, self.neck(original), first_shot)


def _widths_of(backbone: Backbone, config: DetectorConfig) -> dict[int, int]:
    """Return the channels of the backbone's levels, and of those above it."""
    return {6: config.extra_channels[0], 7: config.extra_channels[1], **backbone.channels}


def _pyramid_widths(config: DetectorConfig, backbone: Backbone | None = None) -> dict[int, int]:
    """Return the channels of each level of the pyramid that the neck takes."""
    if config.laterals == "projected":
        return dict.fromkeys(config.levels, config.channels)
    if backbone is None:
        with torch.device("meta"):
            backbone = build_backbone(config.backbone)
    widths = _widths_of(backbone, config)
    return {level: widths[level] for level in config.levels}


def build_detector(config: DetectorConfig, genotype: Genotype | None) -> Detector:
    """Build the detector of a genotype or of a hand-made neck, with random weights.

    Raises:
        SpecError: if the genotype does not fit a pyramid of levels 2..7.
        ConfigError: for an unknown backbone, a genotype without a place in the neck or the other
            way round, and parts that do not fit in width.
    """
    widths = _pyramid_widths(config)
    neck = build_neck(
        config.neck,
        genotype,
        config.channels,
        widths,
        config.repeats,
        dense=config.context == "dense",
    )
    detector = Detector(DetectorTrunk(config, widths_given(neck, widths)), neck)
    if config.negative_slope:
        soften_rectifiers(detector, config.negative_slope)
    return detector

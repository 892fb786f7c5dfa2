"""The detector: backbone, pyramid, feature enhancement, heads.

Two shots (DSFD, and ASFD section 3.1): the heads predict once from the original pyramid with
anchors of half size and once from the enhanced pyramid. The first shot exists in training only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, Self, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, normalize

from nasface.arch.genotype import Genotype
from nasface.arch.space import SearchSpace
from nasface.detection.anchors import AnchorConfig, make_anchors
from nasface.detection.backbones.registry import LEVELS, STRIDES, ExtraLevels, Form, build_backbone
from nasface.detection.necks.registry import GENOTYPE, build_enhancement, parts_of
from nasface.errors import ConfigError, SpecError
from nasface.nn.blocks import conv_norm_relu, separable_conv_norm_relu
from nasface.nn.cell import FixedModule, build_module
from nasface.search.policy import Mixture
from nasface.search.supernet import Supernet
from nasface.structures import Predictions

FIRST_SHOT_SCALE = 0.5


MOST_CHANNELS, MOST_LAYERS = 4096, 64
"""What a file of settings can ask for, lest a strange one takes all memory."""


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """The parts of a detector around its feature enhancement."""

    backbone: str = "mobilenet_v1_0.25"
    """Name of the backbone."""
    channels: int = 24
    """Width of the pyramid, of the searched cells and of the heads. In a search it must be
    divisible by the space's partial_channels."""
    module: str = GENOTYPE
    """What enhances the pyramid: genotype, the cells of one; none; or hand-made parts joined by +,
    such as fpn or fem-fpn+fem-cpm: fpn, fem-fpn, bifpn, pan, then fem-cpm, ssh, rfe. One of the
    parts may be genotype. In a search genotype."""
    repeats: int = 1
    """How often the cells of the genotype, and each hand-made part, follow one another. In a search
    1."""
    context: Form = "separable"
    """Cells on a single level: as in the genotype, or dense, bottlenecks of dense convolutions at a
    quarter of the width. In a search separable."""
    head: Form = "separable"
    """The layers of the heads: depthwise 3x3 and 1x1, or dense 3x3."""
    classifier: Literal["linear", "cosine"] = "linear"
    """Class logits: a 1x1 convolution, or scaled cosines between features and class vectors, on
    which a margin in the loss is an angle's."""
    cosine_scale: float = 10.0
    """Factor of the cosines."""
    max_in_out: bool = False
    """Several logits stand for a class and the greatest counts: 3 for background on the finest
    level, 3 for faces on the others."""
    head_layers: int = 2
    """Layers in each branch of the heads, before the last 1x1 convolution."""
    extra: Form = "separable"
    """C6 and C7: depthwise 3x3 and 1x1, or dense, 1x1 to a quarter and 3x3."""
    extra_channels: tuple[int, int] = (256, 128)
    """Width of C6 and C7."""
    anchors: AnchorConfig = field(default_factory=AnchorConfig)
    """Sizes of the anchors."""

    def __post_init__(self) -> None:
        narrowest, widest = min(self.extra_channels), max(*self.extra_channels, self.channels)
        if self.channels < 4 or self.head_layers < 0 or narrowest < 1:
            raise ConfigError(
                f"channels {self.channels}, head_layers {self.head_layers}, extra_channels "
                f"{self.extra_channels}: expected at least 4, 0 and 1"
            )
        if widest > MOST_CHANNELS or max(self.head_layers, self.repeats) > MOST_LAYERS:
            raise ConfigError(
                f"channels {self.channels}, extra_channels {self.extra_channels}, head_layers "
                f"{self.head_layers}, repeats {self.repeats}: expected at most {MOST_CHANNELS} "
                f"channels and {MOST_LAYERS} layers"
            )
        parts_of(self.module)
        if self.repeats < 1 or self.cosine_scale <= 0:
            raise ConfigError(
                f"repeats {self.repeats}, cosine_scale {self.cosine_scale}: expected at least 1 "
                "and more than 0"
            )


class Head(nn.Module):
    """Two branches over one level: class logits and box offsets, one anchor per position.

    Max-in-out (S3FD, PyramidBox): several logits stand for a class, the greatest counts. On
    ``level`` 2, where false positives abound, three are background and one is face, on the others
    the other way round.
    """

    def __init__(self, config: DetectorConfig, level: int) -> None:
        super().__init__()
        background = 3 if level == LEVELS[0] else 1
        self.kinds = (background, 4 - background) if config.max_in_out else (1, 1)
        layers = (config.channels, config.head_layers, config.head)
        cosine = config.classifier == "cosine"
        self.classify = _branch(*layers, 0 if cosine else sum(self.kinds))
        self.regress = _branch(*layers, 4)
        if cosine:
            if config.head_layers:
                # Rectified features of background can all be zero: no direction, and no gradient.
                self.classify[-1] = cast(nn.Sequential, self.classify[-1])[:-1]
            self.classify.append(Cosine(config.channels, sum(self.kinds), config.cosine_scale))
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


class DetectorFrame(nn.Module):
    """What surrounds the feature enhancement: backbone, C6 and C7, lateral 1x1s, shared heads.

    Heads differ between levels and are shared by the two shots (ASFD section 3.1).
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config.backbone)
        channels = self.backbone.channels
        self.extra = ExtraLevels(channels[5], config.extra_channels, config.extra)
        widths = [*channels.values(), *config.extra_channels]
        self.laterals = nn.ModuleList(conv_norm_relu(w, config.channels) for w in widths)
        self.heads = nn.ModuleList(Head(config, level) for level in LEVELS)

    def pyramid(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Images (B, 3, H, W) -> level 2..7 -> (B, channels, ceil(H / 2**l), ceil(W / 2**l))."""
        features = self.extra(self.backbone(images_B3HW))
        return {
            level: lateral(features[level])
            for level, lateral in zip(LEVELS, self.laterals, strict=True)
        }

    def predict(self, features: Mapping[int, Tensor], anchor_scale: float = 1.0) -> Predictions:
        """Levels 2..7 -> predictions, level by level, finest first."""
        outputs = [head(features[level]) for level, head in zip(LEVELS, self.heads, strict=True)]
        return Predictions(
            torch.cat([logits for logits, _ in outputs], dim=1),
            torch.cat([deltas for _, deltas in outputs], dim=1),
            self._anchors(features, anchor_scale),
            self.config.cosine_scale if self.config.classifier == "cosine" else 1.0,
        )

    def predict_both(
        self, original: Mapping[int, Tensor], enhanced: Mapping[int, Tensor]
    ) -> tuple[Predictions, Predictions]:
        """First and second shot in one pass of the heads.

        Both shots are one batch to the heads' normalisation, so that its running statistics at test
        time are those of the mixture it was trained on.
        """
        both = {level: torch.cat([original[level], enhanced[level]]) for level in LEVELS}
        shots = self.predict(both)
        (first, second), (of_first, of_second) = (
            shots.logits_BA2.chunk(2),
            shots.deltas_BA4.chunk(2),
        )
        anchors = self._anchors(original, FIRST_SHOT_SCALE)
        return (
            Predictions(first, of_first, anchors, shots.scale),
            shots._replace(logits_BA2=second, deltas_BA4=of_second),
        )

    def _anchors(self, features: Mapping[int, Tensor], scale: float) -> Tensor:
        sizes = [(features[level].shape[-2], features[level].shape[-1]) for level in LEVELS]
        return make_anchors(
            sizes, STRIDES, self.config.anchors, scale=scale, device=features[LEVELS[0]].device
        )


Enhancement = TypeVar("Enhancement", bound=nn.Module)


class _TwoShotDetector(nn.Module, Generic[Enhancement]):
    """A frame with a module in its middle."""

    def __init__(self, frame: DetectorFrame, enhancement: Enhancement) -> None:
        super().__init__()
        self.frame = frame
        self.enhancement = enhancement
        #: modules that training leaves in evaluation mode
        self.fixed: tuple[nn.Module, ...] = ()

    def train(self, mode: bool = True) -> Self:
        """See :class:`torch.nn.Module`; frozen parts stay in evaluation mode."""
        super().train(mode)
        for module in self.fixed:
            module.eval()
        return self


class Detector(_TwoShotDetector[nn.Module]):
    """A detector with a fixed enhancement: of a genotype, or hand-made. Call it for inference.

    Forward: images (B, 3, H, W), normalised as :func:`nasface.data.images.to_tensor` does -> the
    second shot's :class:`Predictions`.
    """

    def forward(self, images_B3HW: Tensor) -> Predictions:
        """See the class."""
        return self.frame.predict(self.enhancement(self.frame.pyramid(images_B3HW)))

    def both_shots(self, images_B3HW: Tensor) -> tuple[Predictions, Predictions]:
        """First and second shot, for training."""
        original = self.frame.pyramid(images_B3HW)
        return self.frame.predict_both(original, self.enhancement(original))


class SearchableDetector(_TwoShotDetector[Supernet]):
    """A detector whose enhancement is a supernet, optionally behind a fixed module.

    The paper searches AutoFEM-FPN first and AutoFEM-CPM behind it; ``before`` is then the module of
    the first one's genotype.
    """

    def __init__(
        self, frame: DetectorFrame, enhancement: Supernet, before: FixedModule | None = None
    ) -> None:
        super().__init__(frame, enhancement)
        self.before = before

    def forward(self, images_B3HW: Tensor, mixture: Mixture) -> Predictions:
        """The second shot of the network that the mixture describes."""
        return self.frame.predict(self._enhance(self.frame.pyramid(images_B3HW), mixture))

    def both_shots(self, images_B3HW: Tensor, mixture: Mixture) -> tuple[Predictions, Predictions]:
        """First and second shot, for weight steps."""
        original = self.frame.pyramid(images_B3HW)
        return self.frame.predict_both(original, self._enhance(original, mixture))

    def weights(self) -> list[nn.Parameter]:
        """All parameters but the choice weights."""
        choices = {id(parameter) for parameter in self.enhancement.choices.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in choices]

    def _enhance(self, features: Mapping[int, Tensor], mixture: Mixture) -> dict[int, Tensor]:
        if self.before is not None:
            features = self.before(features)
        return cast(dict[int, Tensor], self.enhancement(features, mixture))


def build_detector(config: DetectorConfig, genotype: Genotype | None) -> Detector:
    """The detector of a genotype or of a hand-made module, with random weights.

    Raises:
        SpecError: if the genotype does not fit a pyramid of levels 2..7.
        ConfigError: for an unknown backbone, or a genotype without a place in the module or the
            other way round.
    """
    enhancement = build_enhancement(
        config.module,
        genotype,
        config.channels,
        LEVELS,
        config.repeats,
        dense=config.context == "dense",
    )
    return Detector(DetectorFrame(config), enhancement)


def build_searchable(
    config: DetectorConfig, space: SearchSpace, before: Genotype | None = None
) -> SearchableDetector:
    """The detector in which a space is searched.

    Raises:
        ConfigError: if the width is not divisible by the space's ``partial_channels`` or the space
            has levels that the pyramid lacks.
        SpecError: if ``before`` does not fit.
    """
    if (config.repeats, config.context, config.module) != (1, "separable", GENOTYPE):
        raise ConfigError(
            f"repeats {config.repeats}, context {config.context}, module {config.module}: a search "
            f"has 1, separable and {GENOTYPE}"
        )
    if config.channels % space.partial_channels:
        raise ConfigError(
            f"channels: {config.channels} is not divisible by partial_channels "
            f"{space.partial_channels} of space {space.name}"
        )
    for name, cell in space.cells.items():
        used = {each.level for each in cell.inputs} | set(cell.output_levels)
        if not used <= set(LEVELS):
            raise ConfigError(
                f"space {space.name}: cell {name!r} has levels {sorted(used)}, "
                f"a face detector offers {list(LEVELS)}"
            )
        if cell.output.projection == "none":
            raise ConfigError(
                f"space {space.name}: cell {name!r} does not project its output; "
                "a pyramid needs projection conv or conv_norm_relu"
            )
    shared = set() if before is None else before.cells.keys() & space.cells.keys()
    if before is not None and shared:
        raise SpecError(
            f"genotype {before.name!r} cannot stand before space {space.name}: both have a cell "
            f"named {sorted(shared)[0]!r}"
        )
    fixed = None if before is None else build_module(before, config.channels, LEVELS)
    supernet = Supernet(space, config.channels)
    return SearchableDetector(DetectorFrame(config), supernet, fixed)


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

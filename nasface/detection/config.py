"""Settings of a detector."""

from dataclasses import dataclass, field
from typing import Literal

from nasface.detection.anchors import AnchorConfig
from nasface.detection.head_layers import HEAD_LAYERS
from nasface.detection.necks.registry import GENOTYPE, neck_parts
from nasface.detection.pyramid import LEVELS, ExtraForm, Form
from nasface.errors import ConfigError
from nasface.kinds import Settings

MAX_CHANNELS, MAX_LAYERS = 4096, 64
"""What a file of settings can ask for, lest a strange one takes all memory."""


@dataclass(frozen=True, kw_only=True)
class DetectorConfig(Settings):
    """The parts of a detector around its feature neck."""

    backbone: str = "mobilenet_v1_0.25"
    """Name of the backbone; mobilenet_v1, mobilenet_v2 and efficientnet_lite0 take a width, as in
    mobilenet_v2:0.5; timm:NAME and torchvision:NAME are those of these packages, for search,
    training and .onnx and .pt2 files."""
    levels: tuple[int, ...] = LEVELS
    """Levels of the pyramid, one after the other; level l has a stride of 2**l pixels. 2 to 7 are
    the paper's; 3 to 5 (strides 8 to 32) cost far less. In a search all that the space has."""
    channels: int = 24
    """Width of the pyramid, of the searched cells and of the heads. In a search it must be
    divisible by the space's partial_channels."""
    laterals: Literal["projected", "none"] = "projected"
    """1x1 convolutions to `channels` between backbone and neck; or none, where the neck takes the
    maps at the backbone's widths. In a search projected."""
    neck: str = GENOTYPE
    """Neck, which refines the pyramid: genotype, the cells of one; none; or hand-made parts joined
    by +, such as fpn or fem-fpn+fem-cpm. One of the parts may be genotype. `nasface cost necks`
    lists them. In a search genotype."""
    repeats: int = 1
    """Repetitions of the genotype's cells and of each hand-made part. In a search 1."""
    context: Form = "separable"
    """Cells on a single level: as in the genotype, or dense, bottlenecks of dense convolutions at a
    quarter of the width. In a search separable."""
    head: str = "separable"
    """The layers of the heads: separable, depthwise 3x3 and 1x1; dense, 3x3; or rfe, 3x3 without
    normalisations and a receptive field module in their middle (SRN), which 0 layers leave."""
    head_kernel: Literal[1, 3] = 1
    """Side of the last convolution of each branch."""
    shared_head: bool = False
    """One head serves all levels."""
    classifier: Literal["linear", "cosine"] = "linear"
    """Class logits: a 1x1 convolution, or scaled cosines between features and class vectors, on
    which a margin in the loss is an angle's."""
    cosine_scale: float = 10.0
    """Factor of the cosines."""
    max_in_out: bool = False
    """Several logits per class, of which the greatest counts: 3 for background on the finest level,
    3 for faces on the others."""
    max_out_background: bool = False
    """Three logits stand for background on the finest level and the greatest counts; all else has
    one (S3FD)."""
    head_layers: int = 2
    """Layers in each branch of the heads, before the last convolution."""
    head_branches: Literal["separate", "joint"] = "separate"
    """separate: a branch for classes and one for boxes; joint: one of dense 3x3 layers for both."""
    head_channels: int | None = None
    """Width of the layers of the branches; null is that of the pyramid."""
    first_shot: Literal["shared", "two-step", "pyramid", "none"] = "shared"
    """Predictions beside those of the enhanced pyramid. shared: of the same heads from the original
    pyramid, in training alone (DSFD). two-step: these stay; those of the fine levels filter
    background, those of the others move the anchors (SRN). pyramid: further outputs for the heads
    around the faces, in training alone (PyramidBox). none."""
    extra: ExtraForm = "separable"
    """C6 and C7, unless the backbone has them: depthwise 3x3 and 1x1; dense, 1x1 to a quarter and
    3x3; or plain, a 3x3."""
    extra_channels: tuple[int, int] = (256, 128)
    """Width of C6 and C7."""
    negative_slope: float = 0.0
    """Slope of the rectifiers below 0; above 0 they are leaky."""
    anchors: AnchorConfig = field(default_factory=AnchorConfig)
    """Sizes of the anchors."""

    def __post_init__(self) -> None:
        super().__post_init__()
        narrowest, widest = min(self.extra_channels), max(*self.extra_channels, self.channels)
        if self.channels < 4 or self.head_layers < 0 or narrowest < 1:
            raise ConfigError(
                f"channels {self.channels}, head_layers {self.head_layers}, extra_channels "
                f"{self.extra_channels}: expected at least 4, 0 and 1"
            )
        if widest > MAX_CHANNELS or max(self.head_layers, self.repeats) > MAX_LAYERS:
            raise ConfigError(
                f"channels {self.channels}, extra_channels {self.extra_channels}, head_layers "
                f"{self.head_layers}, repeats {self.repeats}: expected at most {MAX_CHANNELS} "
                f"channels and {MAX_LAYERS} layers"
            )
        neck_parts(self.neck)
        self._check_levels()
        self._check_head()
        if self.repeats < 1 or self.cosine_scale <= 0:
            raise ConfigError(
                f"repeats {self.repeats}, cosine_scale {self.cosine_scale}: expected at least 1 "
                "and more than 0"
            )

    def _check_levels(self) -> None:
        """Check that levels are consecutive, with sides of anchors for each."""
        # Strange numbers are refused before any range of them is made.
        known = bool(self.levels) and set(self.levels) <= set(LEVELS)
        if not known or self.levels != tuple(range(self.levels[0], self.levels[-1] + 1)):
            raise ConfigError(
                f"levels: {self.levels}, expected some of {LEVELS}, one after the other"
            )
        if self.anchors.sides and len(self.anchors.sides) != len(self.levels):
            raise ConfigError(
                f"anchors.sides: {len(self.anchors.sides)} levels, expected {len(self.levels)}"
            )

    def _check_head(self) -> None:
        """Refuse widths that its layers cannot have, and settings of another kind of head."""
        divisor = HEAD_LAYERS.find(self.head, "detector.head").divisor
        width = self.head_channels or self.channels
        if width % divisor:
            raise ConfigError(f"head {self.head}: {width} channels are not divisible by {divisor}")
        joint = self.head_branches == "joint"
        plain = (self.head, self.classifier, self.max_in_out, self.max_out_background)
        more = (self.head_kernel, self.first_shot == "pyramid")
        if joint and (plain != ("dense", "linear", False, False) or more != (1, False)):
            raise ConfigError(
                f"head_branches joint with head {self.head}, classifier {self.classifier}, "
                f"max_in_out {self.max_in_out}, max_out_background {self.max_out_background}, "
                f"head_kernel {self.head_kernel}, first_shot {self.first_shot}: expected dense, "
                "linear, false, false, 1 and not pyramid"
            )
        if self.first_shot == "pyramid" and len(self.levels) < 2:
            raise ConfigError(f"first_shot pyramid: levels {self.levels}, expected two or more")
        if self.max_in_out and self.max_out_background:
            raise ConfigError("max_in_out, max_out_background: expected at most one of the two")
        if self.shared_head and (self.max_in_out or self.max_out_background):
            name = "max_in_out" if self.max_in_out else "max_out_background"
            raise ConfigError(
                f"{name}: gives the finest level other logits than the rest, which one head of all "
                "cannot; expected shared_head false"
            )
        if self.head_channels is not None and not self.head_layers:
            raise ConfigError(
                f"head_channels: {self.head_channels}, but without head_layers there is nothing of "
                "that width; expected null"
            )
        cosine = self.classifier == "cosine"
        if cosine and (self.anchors.at_position > 1 or self.first_shot == "pyramid"):
            raise ConfigError(
                f"classifier cosine with {self.anchors.at_position} anchors at a position, "
                f"first_shot {self.first_shot}: expected 1, and not pyramid"
            )
        if self.head_channels is not None and not 1 <= self.head_channels <= MAX_CHANNELS:
            raise ConfigError(f"head_channels: {self.head_channels}, expected 1 to {MAX_CHANNELS}")
        if not 0 <= self.negative_slope < 1:
            raise ConfigError(f"negative_slope: {self.negative_slope}, expected 0 to below 1")

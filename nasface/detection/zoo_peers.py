"""Published face detectors, as data: what ASFD's Table 4 compares with, and their relatives.

Each row is made of parts that any other detector can have. ``parameters`` and ``macs`` are those of
the published networks, counted in the same way; RetinaFace's with its heads of landmarks.
docs/models.md says what the papers leave open and what was chosen. Widths of EXTD and SRN are those
of the authors' networks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from nasface.detection.anchors import AnchorConfig
from nasface.detection.config import DetectorConfig
from nasface.detection.losses import LossConfig
from nasface.detection.matching import MatchConfig


@dataclass(frozen=True)
class ModelSpec:
    """A detector of the zoo; ``parameters`` (millions) and ``macs`` (10^9) are the published ones.

    They are None where there are none. ``match`` and ``loss`` are how it is trained.
    """

    detector: DetectorConfig
    parameters: float | None
    macs: float | None
    match: MatchConfig = field(default_factory=MatchConfig)
    loss: LossConfig = field(default_factory=LossConfig)


_SQUARE = AnchorConfig(aspect=1.0)
_DSFD_FACES = AnchorConfig(aspect=1.5)

# SSD's loss with hard negatives, and without a first shot.
_SSD = LossConfig(box="smooth_l1", box_weight=1.0, first_shot_weight=0.0)

_RETINAFACE = DetectorConfig(
    levels=(3, 4, 5),
    channels=256,
    neck="retinaface-fpn+ssh",
    head_layers=0,
    first_shot="none",
    anchors=AnchorConfig(aspect=1.0, sides=((16, 32), (64, 128), (256, 512))),
)
_RETINAFACE_TRAINING = (
    MatchConfig(positive=0.35),
    replace(_SSD, box_weight=2.0, negatives_per_positive=7.0),
)

_S3FD = DetectorConfig(
    backbone="vgg16",
    laterals="none",
    neck="l2norm",
    head_layers=0,
    head_kernel=3,
    max_out_background=True,
    first_shot="none",
    anchors=_SQUARE,
)
_S3FD_TRAINING = (MatchConfig(positive=0.35, min_anchors_per_face=6), _SSD)


def _extd(width: int) -> DetectorConfig:
    """Return EXTD of a width."""
    return replace(_S3FD, backbone=f"recurrent_mobileface_{width}", channels=width, neck="extd-fpn")


_PYRAMIDBOX = DetectorConfig(
    backbone="vgg16",
    laterals="none",
    channels=512,
    neck="lfpn+l2norm+pyramidbox-cpm",
    max_in_out=True,
    head_layers=0,
    head_kernel=3,
    first_shot="pyramid",
    anchors=_SQUARE,
)

_DSFD = DetectorConfig(
    laterals="none",
    channels=512,
    neck="lfpn+fem-cpm",
    head="dense",
    head_layers=3,
    head_channels=256,
    max_in_out=True,
    extra="dense",
    extra_channels=(512, 256),
    anchors=_DSFD_FACES,
)
_DSFD_TRAINING = (MatchConfig(positive=0.4), replace(_SSD, first_shot_weight=1.0))

_SRN = DetectorConfig(
    backbone="resnet50",
    laterals="none",
    channels=256,
    neck="srn-fpn",
    head="rfe",
    head_layers=2,
    shared_head=True,
    first_shot="two-step",
    extra="plain",
    extra_channels=(1024, 256),
    anchors=AnchorConfig(
        aspect=1.25,
        sides=tuple((2.0 * 2**level, 2.0**1.5 * 2**level) for level in range(2, 8)),
    ),
)
_SRN_TRAINING = (
    MatchConfig(positive=0.5, negative=0.4),
    replace(_SSD, classification="focal", focal_alpha=0.25, first_shot_weight=1.0),
)

PEERS: Mapping[str, ModelSpec] = MappingProxyType(
    {
        "retinaface-mobilenet0.25": ModelSpec(
            replace(_RETINAFACE, channels=64, negative_slope=0.1),
            0.427,
            0.736,
            *_RETINAFACE_TRAINING,
        ),
        "retinaface-r50": ModelSpec(
            replace(_RETINAFACE, backbone="resnet50"), 27.294, 33.198, *_RETINAFACE_TRAINING
        ),
        "s3fd-vgg16": ModelSpec(_S3FD, 22.459, 96.412, *_S3FD_TRAINING),
        "extd-32": ModelSpec(_extd(32), 0.063, 4.05, *_S3FD_TRAINING),
        "extd-48": ModelSpec(_extd(48), 0.100, 5.92, *_S3FD_TRAINING),
        "extd-64": ModelSpec(_extd(64), 0.162, 10.06, *_S3FD_TRAINING),
        "pyramidbox-vgg16": ModelSpec(
            _PYRAMIDBOX,
            57.177,
            236.042,
            MatchConfig(positive=0.35, min_anchors_per_face=6),
            replace(_SSD, first_shot_weight=0.5),
        ),
        "dsfd-r50": ModelSpec(replace(_DSFD, backbone="resnet50"), 85.42, 213.6, *_DSFD_TRAINING),
        "dsfd-r152": ModelSpec(
            replace(_DSFD, backbone="resnet152"), 120.06, 259.1, *_DSFD_TRAINING
        ),
        "dsfd-vgg16": ModelSpec(
            replace(_DSFD, backbone="vgg16", neck="l2norm+lfpn+fem-cpm"),
            70.73,
            278.0,
            *_DSFD_TRAINING,
        ),
        "srn-r50": ModelSpec(_SRN, 53.371, 189.158, *_SRN_TRAINING),
        "refineface-r152": ModelSpec(
            replace(_SRN, backbone="resnet152"), None, None, *_SRN_TRAINING
        ),
    }
)

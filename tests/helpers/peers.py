"""Published detectors with few channels: the parts of each, small enough for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from registries import restored

from nasface.detection.backbones.recurrent import RecurrentMobileFace
from nasface.detection.backbones.registry import register_backbone
from nasface.detection.backbones.vgg import VGG16
from nasface.detection.config import DetectorConfig


@contextmanager
def narrow_backbones() -> Iterator[None]:
    """Register, for the block, what :func:`narrow` has in the place of wide backbones."""
    with restored():
        register_backbone("narrow_vgg", partial(VGG16, 1 / 32))
        register_backbone("narrow_recurrent", partial(RecurrentMobileFace, 8, (2, 4)))
        yield


def narrow(config: DetectorConfig) -> DetectorConfig:
    """The same parts with few channels."""
    backbones = {"vgg16": "narrow_vgg", "resnet50": "thin_resnet_n", "resnet152": "thin_resnet_n"}
    backbone = backbones.get(config.backbone, config.backbone)
    if backbone.startswith("recurrent"):
        backbone = "narrow_recurrent"
    return replace(
        config,
        backbone=backbone,
        channels=8,
        head_channels=config.head_channels and 8,
        extra_channels=(16, 8),
    )

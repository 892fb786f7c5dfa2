"""What other libraries call settings, for messages on words that are unknown here."""

from collections.abc import Container, Mapping
from types import MappingProxyType

_SIZE = ("augment.size", "inference.longer_side", "longer_side", "size")
_SCORE = ("score_threshold", "inference.score_threshold", "suppression.score_threshold")
_OVERLAP = ("inference.nms_iou", "suppression.nms_iou", "nms_iou")

_SETTINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "imgsz": _SIZE,
        "img_size": _SIZE,
        "image_size": _SIZE,
        "conf": _SCORE,
        "conf_thres": _SCORE,
        "confidence_threshold": _SCORE,
        "iou": _OVERLAP,
        "iou_thres": _OVERLAP,
        "nms_threshold": _OVERLAP,
        "lr0": ("optimizer.lr",),
        "learning_rate": ("optimizer.lr",),
        "half": ("precision",),
        "amp": ("precision",),
        "fp16": ("precision",),
        "pretrained": ("start_weights", "weights"),
        "checkpoint": ("weights", "start_weights"),
        "project": ("out",),
        "save_dir": ("out",),
        "work_dir": ("out",),
        "format": ("to", "data_format"),
    }
)
"""Word -> settings with their parts that it may stand for, the likeliest first."""


def setting_meant_by(word: str, known: Container[str]) -> str:
    """Return the setting that a word of Ultralytics, mmdetection and the like stands for, if there
    is such among those ``known``, else nothing."""
    return next((each for each in _SETTINGS.get(word, ()) if each in known), "")

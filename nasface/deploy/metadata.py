"""Metadata of exported files, as text by key."""

import nasface
from nasface.data.tensors import IMAGE_MEAN, IMAGE_STD
from nasface.deploy.config import ExportConfig
from nasface.detection.boxes import CENTRE_VARIANCE, SIZE_VARIANCE
from nasface.detection.checkpoint import LICENCE, PREPROCESSING, LoadedDetector
from nasface.io.strict_json import to_json
from nasface.io.yaml import to_yaml

CLASSES = ("background", "face")


def describe_export(loaded: LoadedDetector, config: ExportConfig) -> dict[str, str]:
    """Return the classes, preprocessing, layout of the anchors, genotype and settings of a
    detector."""
    anchors = loaded.config.anchors
    sides: dict[str, object] = {"side_in_strides": anchors.scale}
    number = "one anchor"
    if anchors.sides:
        sides = {"sides_in_pixels": anchors.sides}
        number = f"{anchors.at_position} anchors"
    layout = {
        "strides": [2**level for level in loaded.config.levels],
        **sides,
        "height_over_width": anchors.aspect,
        "order": f"level by level, finest first; in a level row by row, {number} per position",
        "centre": "(column + 0.5, row + 0.5) strides",
        "offsets": "SSD: centre shift over anchor size, log of size ratio",
        "variances": [CENTRE_VARIANCE, SIZE_VARIANCE],
    }
    height, width, batch = config.fixed or ("height", "width", "batch")
    shape = f"({batch}, 3, {height}, {width})"
    about = {
        "nasface": nasface.__version__,
        "outputs": config.outputs,
        "size": config.size or "any",
        "precision": config.precision,
        "classes": to_json(CLASSES, indent=None),
        "input": f"float32 {shape}, RGB",
        "preprocessing": PREPROCESSING,
        "mean": to_json(IMAGE_MEAN, indent=None),
        "standard_deviation": to_json(IMAGE_STD, indent=None),
        "boxes": "x1 y1 x2 y2 in pixels of the input, not clipped to it",
        "anchors": to_json(layout, indent=None),
        "config": to_yaml(loaded.config),
        "metrics": to_json(loaded.metrics, indent=None),
        "licence": LICENCE,
    }
    if loaded.genotype is not None:
        about["genotype"] = to_yaml(loaded.genotype)
    if config.outputs == "detections":
        about["suppression"] = to_yaml(config.suppression)
    return about

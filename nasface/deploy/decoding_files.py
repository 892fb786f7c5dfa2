"""Files beside an export of heads: how to decode them, as data and as code."""

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from nasface.data.tensors import IMAGE_MEAN, IMAGE_STD
from nasface.deploy import decode_numpy
from nasface.deploy.config import ExportConfig
from nasface.detection.boxes import CENTRE_VARIANCE, LARGEST_LOG_SIZE, SIZE_VARIANCE
from nasface.detection.checkpoint import LoadedDetector
from nasface.io.files import draft
from nasface.io.strict_json import to_json

DECODING_FORMAT = "nasface-decoding-1"


def decoding_recipe(loaded: LoadedDetector, config: ExportConfig) -> dict[str, Any]:
    """Return the preprocessing, anchors, variances and suppression of a detector, as plain
    values."""
    anchors, strides = loaded.config.anchors, [2**level for level in loaded.config.levels]
    suppression = config.suppression
    return {
        "format": DECODING_FORMAT,
        "mean": IMAGE_MEAN,
        "standard_deviation": IMAGE_STD,
        "strides": strides,
        "sides": [list(sides) for sides in anchors.sides_of(strides)],
        "height_over_width": anchors.aspect,
        "centre_variance": CENTRE_VARIANCE,
        "size_variance": SIZE_VARIANCE,
        "largest_log_size": LARGEST_LOG_SIZE,
        "score_threshold": suppression.score_threshold,
        "pre_nms_top_k": suppression.pre_nms_top_k,
        "nms_iou": suppression.nms_iou,
        "max_detections": suppression.max_detections,
    }


def decoding_files(path: Path) -> list[Path]:
    """Return the files that stand beside a file of heads: recipe, NumPy and JavaScript."""
    code = [path.with_name(f"{path.stem}_decode{suffix}") for suffix in (".py", ".mjs")]
    return [path.with_suffix(".json"), *code]


@contextmanager
def draft_decoding(path: Path, loaded: LoadedDetector, config: ExportConfig) -> Iterator[None]:
    """Write the files beside ``path``, which are kept if the block ends well.

    Raises:
        OutputError: if one cannot be written.
    """
    texts = [to_json(decoding_recipe(loaded, config)), numpy_code(), javascript_code()]
    with ExitStack() as drafts:
        for file, text in zip(decoding_files(path), texts, strict=True):
            drafts.enter_context(draft(file)).write_text(text, "utf-8")
        yield


def numpy_code() -> str:
    """Return the text of :mod:`nasface.deploy.decode_numpy`, which imports NumPy alone."""
    return inspect.getsource(decode_numpy)


def javascript_code() -> str:
    """Return the same as a module of JavaScript."""
    return files("nasface.deploy").joinpath("templates/decode.mjs").read_text("utf-8")

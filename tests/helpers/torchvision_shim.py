"""torchvision's wheel of PyPI, which is built for CUDA, beside the CPU build of torch.

Its operators are missing there, and the import stops. Two schemas are enough for it: with them,
models, detection and timm work; only what calls an operator needs more, so suppression is given as
our own.
"""

import importlib.util

import pytest
import torch
from torch import Tensor

from nasface.detection.boxes import non_maximum_suppression

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_library: torch.library.Library | None = None


def need_torchvision(*others: str) -> None:
    """Make torchvision importable; skip the test where it, or another package, is not installed."""
    for name in ("torchvision", *others):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed (pip install --no-deps {name})")
    global _library
    if _library is not None:
        return
    try:
        import torchvision.ops
    except RuntimeError:
        _library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            _library.define(f"{name}{_SCHEMA}")
        _library.impl("nms", _suppress, "CPU")
        import torchvision.ops

        torchvision.ops.boxes._assert_has_ops = lambda: None


def _suppress(boxes_N4: Tensor, scores_N: Tensor, threshold: float) -> Tensor:
    return non_maximum_suppression(
        boxes_N4, scores_N, threshold, before=len(boxes_N4), keep=len(boxes_N4)
    )

"""What an exported detector gives, and how it suppresses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from nasface.errors import ConfigError
from nasface.inference.predict import SuppressionConfig

Outputs = Literal["predictions", "boxes", "detections"]

#: names of the tensors that a graph gives
OUTPUT_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "predictions": ("logits", "deltas", "anchors"),
        "boxes": ("boxes", "scores"),
        "detections": ("image", "boxes", "scores"),
    }
)

OPSETS = range(18, 24)
"""ONNX opsets that torch's exporter can write."""


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What is exported, and in which form."""

    weights: str = ""
    """Weights that `nasface train` wrote."""
    outputs: Outputs = "boxes"
    """What the exported graph gives. predictions: class logits, box offsets and anchors; boxes:
    decoded boxes and scores of all anchors; detections: what suppression leaves. A Python file has
    functions for each."""
    opset: int = OPSETS[-1]
    """ONNX operator set; an old runtime may ask for an older one."""
    suppression: SuppressionConfig = field(default_factory=SuppressionConfig)
    """The suppression of outputs detections, and what a Python file starts from."""

    def __post_init__(self) -> None:
        if self.opset not in OPSETS:
            raise ConfigError(f"opset: {self.opset}, expected {OPSETS[0]} to {OPSETS[-1]}")

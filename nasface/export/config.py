"""What an exported detector gives, and how it suppresses."""

from dataclasses import dataclass, field

from nasface.errors import ConfigError
from nasface.inference.onnx_runtime import Outputs
from nasface.inference.predict import SuppressionConfig

OPSETS = range(18, 24)
"""ONNX opsets that torch's exporter can write."""


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What is exported, and in which form."""

    weights: str = ""
    """A released detector by name, or weights that `nasface train` wrote."""
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

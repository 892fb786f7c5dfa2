"""Settings of an export: outputs, precision, size, suppression."""

from dataclasses import dataclass, field
from typing import Literal

from nasface.deploy.parity import HALF_TOLERANCE, TOLERANCE
from nasface.errors import ConfigError
from nasface.inference.onnx_runtime import Outputs
from nasface.inference.predict import SuppressionConfig
from nasface.io.sizes import parse_size
from nasface.kinds import Settings
from nasface.models import DEFAULT_MODEL

OPSETS = range(18, 24)
"""ONNX opsets that are written."""

Precision = Literal["fp32", "fp16"]


@dataclass(frozen=True, kw_only=True)
class ExportConfig(Settings):
    """Settings of an export."""

    weights: str = DEFAULT_MODEL
    """A released detector by name, or weights that `nasface train` wrote."""
    outputs: Outputs = "boxes"
    """What the exported graph gives. heads: class logits and box offsets, with a file beside them
    that says how to decode them; predictions: the same and the anchors; boxes: decoded boxes and
    scores of all anchors; detections: what suppression leaves. A Python file has functions for
    each."""
    size: str = ""
    """Fixed image size, width x height in pixels, such as 640x480: sizes and anchors become
    constants. Empty: any size."""
    batch: int = 1
    """Batch size of a fixed image size; without one it is free."""
    precision: Precision = "fp32"
    """fp32, or fp16: weights and features of half the bytes, boxes decoded in fp32; not for litert,
    executorch, torch and python."""
    opset: int = OPSETS[-1]
    """ONNX operator set; an old runtime may ask for an older one."""
    converter_python: str = ""
    """Python of the environment that has the converter of litert, executorch or coreml, where it
    cannot be installed beside nasface. Empty: this one."""
    suppression: SuppressionConfig = field(default_factory=SuppressionConfig)
    """The suppression of outputs detections, and what a Python file starts from."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.opset not in OPSETS:
            raise ConfigError(f"opset: {self.opset}, expected {OPSETS[0]} to {OPSETS[-1]}")
        if self.size:
            parse_size(self.size)
        if self.batch < 1 or (self.batch > 1 and not self.size):
            raise ConfigError(f"batch: {self.batch}, expected 1 or more, with size")

    @property
    def is_half(self) -> bool:
        """Whether weights and features are float16."""
        return self.precision == "fp16"

    @property
    def tolerance(self) -> float:
        """By how much outputs may differ from the detector's, over their greatest magnitude."""
        return HALF_TOLERANCE if self.is_half else TOLERANCE

    @property
    def fixed(self) -> tuple[int, int, int] | None:
        """Height, width and batch of the only images that are taken; None for any."""
        return (*parse_size(self.size), self.batch) if self.size else None

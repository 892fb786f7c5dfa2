"""Kinds of files with 8-bit integers, by the suffix of the file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from nasface.deploy.config import ExportConfig
from nasface.deploy.quantization.config import Calibration, QuantizationConfig
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ConfigError
from nasface.inference.onnx_runtime import Outputs
from nasface.progress import Progress
from nasface.registry import Lazy, Registry

CalibrationImages = Sequence[Callable[[], Tensor]]
"""Read images to calibrate with, float32 (1, 3, H, W) as the detector takes them, of any sizes."""


class Quantizer(Protocol):
    """Writes a file with 8-bit integers."""

    def __call__(
        self,
        source: Path,
        target: Path,
        images: CalibrationImages,
        config: QuantizationConfig,
        about: Mapping[str, str],
        progress: Progress,
    ) -> None:
        """Write the quantised file; ``source`` is the detector in float32, and ``about`` is added
        to the metadata.

        Raises:
            ExportError: if it cannot be quantised.
        """


@dataclass(frozen=True)
class QuantizedForm:
    """A kind of file with 8-bit integers, and the same in float32 to compare it with.

    ``save`` writes float32, ``quantize`` makes 8 bits of that. Both files can be loaded as
    detectors and are run by ``runtime``. ``beside``: suffixes of the files that are written beside
    the first. ``outputs`` is what a file can give, the usual first; ``calibrations`` are those that
    it can be made with. ``needs`` are the packages without which it cannot be written, and
    ``install`` is what to give to pip for them.
    """

    suffix: str
    runtime: str
    save: Callable[[LoadedDetector, Path, ExportConfig], None]
    quantize: Quantizer
    outputs: tuple[Outputs, ...]
    calibrations: tuple[Calibration, ...]
    beside: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    install: str = ""

    def files(self, path: Path) -> list[Path]:
        """Return the files that are written for ``path``."""
        return [path, *(path.with_suffix(suffix) for suffix in self.beside)]

    def check(self, config: QuantizationConfig) -> None:
        """Raise :class:`ConfigError` for a calibration that the form does not have."""
        if config.calibration not in self.calibrations:
            raise ConfigError(
                f"calibration: {config.calibration} is not available for {self.suffix} files; "
                f"expected {' or '.join(self.calibrations)}"
            )


QUANTIZED_FORMS: Registry[QuantizedForm] = Registry("8-bit form")
"""Suffix -> form."""


def register_quantized_form(entry: QuantizedForm) -> None:
    """Add a form.

    Raises:
        ConfigError: if its suffix has one.
    """
    QUANTIZED_FORMS.check_entry(entry, QuantizedForm)
    QUANTIZED_FORMS.add(entry.suffix, entry)


_ROOM = "nasface.deploy.quantization"
register_quantized_form(
    QuantizedForm(
        ".onnx",
        "ONNX Runtime",
        Lazy(f"{_ROOM}.onnx:save_onnx"),
        Lazy(f"{_ROOM}.onnx:quantize_onnx"),
        ("boxes", "detections"),
        ("minmax", "percentile", "entropy"),
        needs=("onnx", "onnxruntime"),
        install="nasface[export]",
    )
)
register_quantized_form(
    QuantizedForm(
        ".xml",
        "OpenVINO",
        Lazy("nasface.deploy.runtimes.openvino:save_openvino"),
        Lazy(f"{_ROOM}.openvino:quantize_openvino"),
        ("heads",),
        ("minmax", "percentile"),
        (".bin",),
        needs=("onnx", "onnxruntime", "openvino", "nncf"),
        install="nasface[nncf]",
    )
)

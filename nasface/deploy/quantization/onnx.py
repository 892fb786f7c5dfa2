"""Files of ONNX: static quantisation of the convolutions by ONNX Runtime.

Weights are int8, one scale per output channel; activations are uint8, one scale per tensor.
Everything behind the heads (decoding, scores, suppression) stays float32, so that scores and
pixels never share a scale.
"""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.deploy.quantization.config import (
    GraphNode,
    KeepFloat,
    QuantizationConfig,
    kept_convolutions,
    uses_reduced_range,
)
from nasface.deploy.quantization.registry import CalibrationImages
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ConfigError, ExportError
from nasface.optional import need
from nasface.progress import Progress

if TYPE_CHECKING:
    import onnx

_METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
# The Relu behind a convolution shares its range: without it half of the range would be lost on
# values that the Relu drops.
_OPERATORS = ("Conv", "Relu")


def save_onnx(loaded: LoadedDetector, path: Path, config: ExportConfig) -> None:
    """Write a detector in float32, unchecked."""
    path.write_bytes(to_onnx(loaded, config).SerializeToString())


def quantize_onnx(
    source: Path,
    target: Path,
    images: CalibrationImages,
    config: QuantizationConfig,
    about: Mapping[str, str],
    progress: Progress,
) -> None:
    """See :class:`~nasface.deploy.quantization.registry.QuantizedForm`."""
    onnx = need("onnx", "nasface[export]")
    made = quantize_model(onnx.load(source), images, config, progress)
    known = {each.key: each.value for each in made.metadata_props}
    del made.metadata_props[:]
    onnx.helper.set_model_props(made, {**known, **about})
    target.write_bytes(made.SerializeToString())


def quantize_model(
    model: "onnx.ModelProto",
    images: CalibrationImages,
    config: QuantizationConfig,
    progress: Progress,
) -> "onnx.ModelProto":
    """Return a model whose convolutions compute with 8-bit integers.

    ``images`` give float32 (1, 3, H, W) as the detector takes them, of any sizes, read one after
    the other.

    Raises:
        ConfigError: without images. MissingPackageError: without onnxruntime.
        ExportError: if onnxruntime cannot quantise it.
    """
    quantization = need("onnxruntime.quantization", "nasface[export]")
    quantizer = need("onnxruntime.quantization.qdq_quantizer", "nasface[export]")
    if not images:
        raise ConfigError("images: there are none; expected some to calibrate with")
    try:
        with tempfile.TemporaryDirectory() as folder, _quiet():
            inferred = need("onnx", "nasface[export]").shape_inference.infer_shapes(model)
            file = Path(folder) / "float.onnx"
            file.write_bytes(inferred.SerializeToString())
            calibrator = quantization.create_calibrator(
                file,
                list(_OPERATORS),
                augmented_model_path=str(Path(folder) / "augmented.onnx"),
                calibrate_method=quantization.CalibrationMethod[_METHODS[config.calibration]],
            )
            ranges = _ranges(calibrator, images, progress)
            made = quantizer.QDQQuantizer(
                inferred,
                per_channel=True,
                reduce_range=uses_reduced_range(config.reduce_range),
                weight_qType=quantization.QuantType.QInt8,
                activation_qType=quantization.QuantType.QUInt8,
                tensors_range=ranges,
                nodes_to_quantize=[],
                nodes_to_exclude=_kept(model, config.keep_float),
                op_types_to_quantize=list(_OPERATORS),
                extra_options={},
            )
            made.quantize_model()
            result: onnx.ModelProto = made.model.model
    except (ValueError, RuntimeError, AssertionError) as problem:
        text = " ".join(str(problem).split())[:200]
        raise ExportError(f"onnxruntime cannot quantise it: {text}") from None
    return result


def _ranges(calibrator: Any, images: CalibrationImages, progress: Progress) -> Any:
    """Return the range of each activation. Image by image: all activations of several, which may
    differ in size, do not fit into memory."""
    progress.start("calibrate", len(images))
    for read in images:
        calibrator.collect_data(_OneImage(read().numpy()))
        progress.advance()
    return calibrator.compute_data()


class _OneImage:
    """A reader of calibration data that gives one image."""

    def __init__(self, image: "np.ndarray[Any, Any]") -> None:
        self.left: list[dict[str, Any]] = [{"images": image}]

    def get_next(self) -> dict[str, Any] | None:
        return self.left.pop() if self.left else None


def _kept(model: "onnx.ModelProto", keep: KeepFloat) -> list[str]:
    """Return the names of the convolutions that stay float32."""
    nodes = [
        GraphNode(each.name, each.op_type == "Conv", each.input, each.output)
        for each in model.graph.node
    ]
    return kept_convolutions(nodes, "images", keep)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what onnxruntime's quantisation prints off the standard output."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.root.setLevel(level)

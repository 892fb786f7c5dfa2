"""Static 8-bit quantisation of ONNX files: the convolutions, calibrated on images.

Weights are int8, one scale per output channel; activations are uint8, one scale per tensor.
Everything behind the heads (decoding, scores, suppression) stays float32, so that scores and
pixels never share a scale.
"""

import contextlib
import io
import logging
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from nasface.errors import ConfigError, ExportError
from nasface.optional import need
from nasface.progress import Progress

if TYPE_CHECKING:
    import onnx

Calibration = Literal["minmax", "entropy", "percentile"]
ReduceRange = Literal["auto", "yes", "no"]
KeepFloat = Literal["none", "first", "last", "first-and-last"]

_METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
# The Relu behind a convolution shares its range: without it half of the range would be lost on
# values that the Relu drops.
_OPERATORS = ("Conv", "Relu")
_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True)
class QuantizationConfig:
    """How activations and weights become 8-bit integers."""

    calibration: Calibration = "minmax"
    """From what the calibration images show to the range of each activation. minmax: all of it;
    percentile: without the rarest 0.001 %; entropy: the range that keeps most information. The last
    two take minutes."""
    reduce_range: ReduceRange = "auto"
    """Weights of 7 bits instead of 8: x86 processors without VNNI overflow on 8. auto: where this
    machine is one of them."""
    keep_float: KeepFloat = "last"
    """Convolutions that stay float32: first, the one that reads the image; last, those that give
    scores and offsets."""


def quantize_model(
    model: "onnx.ModelProto",
    images: Sequence[Callable[[], torch.Tensor]],
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


def uses_reduced_range(choice: ReduceRange) -> bool:
    """Return whether weights have 7 bits; ``auto`` looks at this machine."""
    return choice == "yes" or (choice == "auto" and not has_wide_dot_product())


def has_wide_dot_product() -> bool:
    """Return whether products of uint8 and int8 are summed without overflow here.

    That is so with VNNI, and on processors that are not x86. Where the system does not tell, the
    answer is no, which is safe.
    """
    if platform.machine().lower() not in ("x86_64", "amd64", "x86", "i386", "i686"):
        return True
    try:
        flags = _CPU_INFO.read_text("utf-8")
    except OSError:
        return False
    return "avx512_vnni" in flags or "avx_vnni" in flags


def _ranges(
    calibrator: Any, images: Sequence[Callable[[], torch.Tensor]], progress: Progress
) -> Any:
    """The range of each activation. Image by image: all activations of several, which may differ in
    size, do not fit into memory."""
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
    """Names of the convolutions that stay as they are."""
    first, last = [], []
    feeds_convolution: set[str] = set()
    for node in reversed(model.graph.node):
        is_convolution = node.op_type == "Conv"
        goes_on = not feeds_convolution.isdisjoint(node.output)
        if is_convolution and not goes_on:
            last.append(node.name)
        if is_convolution and "images" in node.input:
            first.append(node.name)
        if is_convolution or goes_on:
            feeds_convolution.update(node.input)
    return first * ("first" in keep) + last * ("last" in keep)


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

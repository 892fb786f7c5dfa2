"""Files of OpenVINO: static quantisation by NNCF, the makers' own tool.

Weights are int8, one scale per output channel; activations uint8 or int8, one scale per tensor.
NNCF also quantises additions and enlargements between convolutions, and corrects biases. The files
give heads; boxes are decoded outside, in float32.
"""

import contextlib
import io
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from nasface.deploy.quantization.config import (
    GraphNode,
    KeepFloat,
    QuantizationConfig,
    kept_convolutions,
    uses_reduced_range,
)
from nasface.deploy.quantization.registry import CalibrationImages
from nasface.errors import ExportError
from nasface.inference.openvino import METADATA, REPORTER, import_openvino, read_model, save_model
from nasface.optional import hidden, need
from nasface.progress import Progress

_RAREST = 1e-5
_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def quantize_openvino(
    source: Path,
    target: Path,
    images: CalibrationImages,
    config: QuantizationConfig,
    about: Mapping[str, str],
    progress: Progress,
) -> None:
    """See :class:`~nasface.deploy.quantization.registry.QuantizedForm`.

    ``percentile`` leaves out the rarest 0.001 % of each image, and takes the mean of what is left.
    """
    nncf = _nncf()
    model = read_model(source)
    progress.start("calibrate", len(images))

    def read(sample: Callable[[], Tensor]) -> Any:
        progress.advance()
        return sample().numpy()

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            made = nncf.quantize(
                model,
                nncf.Dataset(list(images), read),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(images),
                ignored_scope=nncf.IgnoredScope(names=_kept(model, config.keep_float)),
                advanced_parameters=_parameters(nncf, config),
            )
    except (RuntimeError, ValueError) as problem:
        text = " ".join(str(problem).split())[:200]
        raise ExportError(f"NNCF cannot quantise it: {text}") from None
    for key, value in about.items():
        made.set_rt_info(value, [METADATA, key])
    save_model(made, target)


def _nncf() -> ModuleType:
    """Import NNCF so that it neither prints on the standard output nor tells its makers of each
    call."""
    import_openvino()
    with hidden(REPORTER):
        nncf = need("nncf", "nasface[nncf]")
    nncf.set_log_level(logging.ERROR)
    return nncf


def _parameters(nncf: ModuleType, config: QuantizationConfig) -> Any:
    ranges = nncf.quantization.range_estimator
    low, high = (
        ranges.StatisticsCollectorParameters(kind, merged)
        for kind, merged in (
            (ranges.StatisticsType.MIN, ranges.AggregatorType.MIN),
            (ranges.StatisticsType.MAX, ranges.AggregatorType.MAX),
        )
    )
    if config.calibration == "percentile":
        low = high = ranges.StatisticsCollectorParameters(
            ranges.StatisticsType.QUANTILE,
            ranges.AggregatorType.MEAN,
            quantile_outlier_prob=_RAREST,
        )
    reduced = uses_reduced_range(config.reduce_range)
    return nncf.AdvancedQuantizationParameters(
        overflow_fix=nncf.OverflowFix.ENABLE if reduced else nncf.OverflowFix.DISABLE,
        activations_range_estimator_params=ranges.RangeEstimatorParameters(low, high),
    )


def _kept(model: Any, keep: KeepFloat) -> list[str]:
    """Return the names of the convolutions that stay float32."""
    nodes = [
        GraphNode(
            each.get_friendly_name(),
            each.get_type_name() in _CONVOLUTIONS,
            [one.get_source_output().get_node().get_friendly_name() for one in each.inputs()],
            [each.get_friendly_name()],
        )
        for each in model.get_ordered_ops()
    ]
    return kept_convolutions(nodes, model.inputs[0].get_node().get_friendly_name(), keep)

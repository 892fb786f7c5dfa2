"""ONNX files: the traced graph, suppression behind it where asked for, and what the file says."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nasface.detection.checkpoint import LoadedDetector
from nasface.export.config import ExportConfig
from nasface.export.metadata import describe_export
from nasface.export.onnx_suppression import CANDIDATES, compare_suppressed, with_suppression
from nasface.export.parity import ParityDifference, ReportProgress, check
from nasface.export.traceable import Graph, dynamic_shapes, trace
from nasface.inference.onnx_runtime import ONNX_FORMAT, OUTPUT_NAMES, runner
from nasface.io.files import draft
from nasface.optional import need

if TYPE_CHECKING:
    import onnx


def export_onnx(
    loaded: LoadedDetector,
    path: Path,
    config: ExportConfig,
    report: ReportProgress = lambda text: None,
) -> ParityDifference:
    """Write a detector as ONNX, after comparing the file with it; the greatest difference.

    Raises:
        ExportError: if the file does not agree with the detector; it is then not written.
        OutputError: if the file cannot be written.
    """
    report("tracing")
    model = to_onnx(loaded, config)
    with draft(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
        report("comparing with the detector")
        return _compare(loaded, temporary, config)


def to_onnx(loaded: LoadedDetector, config: ExportConfig) -> "onnx.ModelProto":
    """The model of a detector, with its metadata."""
    names = CANDIDATES if config.outputs == "detections" else OUTPUT_NAMES[config.outputs]
    program = trace(loaded.detector, config.outputs)
    with _quiet():
        exported = torch.onnx.export(
            program,
            (),
            input_names=["images"],
            output_names=names,
            dynamic_shapes=dynamic_shapes(),
            opset_version=config.opset,
            verbose=False,
        )
    assert exported is not None
    model: onnx.ModelProto = exported.model_proto
    _tidy(model)
    if config.outputs == "detections":
        model = with_suppression(model, config.suppression, config.opset)
    about = {"format": ONNX_FORMAT, **describe_export(loaded, config)}
    need("onnx", "nasface[export]").helper.set_model_props(model, about)
    model.doc_string = f"Face detector {loaded.name}"
    return model


def _tidy(model: "onnx.ModelProto") -> None:
    """Drop the exporter's notes, which hold paths of this machine, and name the anchors' number."""
    graph = model.graph
    for each in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del each.metadata_props[:]
    del graph.metadata_props[:], graph.value_info[:]
    for output in graph.output:
        for dimension in output.type.tensor_type.shape.dim:
            if "height" in dimension.dim_param:
                dimension.dim_param = "anchors"


def _compare(loaded: LoadedDetector, path: Path, config: ExportConfig) -> ParityDifference:
    """The greatest difference of a file from the detector; see :func:`export_onnx`."""
    if config.outputs == "detections":
        return compare_suppressed(loaded.detector, path, config.suppression)
    names = OUTPUT_NAMES[config.outputs]
    run = runner(path.read_bytes(), names)
    return check(Graph(loaded.detector, config.outputs), run, names)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch's exporter says of packages that we do not use."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

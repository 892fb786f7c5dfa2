"""ONNX files: the recorded network, what is behind it, and what the file says."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nasface.deploy.config import ExportConfig
from nasface.deploy.decoding_files import draft_decoding
from nasface.deploy.metadata import describe_export
from nasface.deploy.onnx_graph.builder import Dimension, GraphBuilder
from nasface.deploy.onnx_graph.decoding import add_anchors, add_decoding, add_scores, anchors_of
from nasface.deploy.onnx_graph.operators import add_recording
from nasface.deploy.onnx_graph.recording import NotRecordableError, record
from nasface.deploy.onnx_graph.suppression import CANDIDATES, compare_suppressed, with_suppression
from nasface.deploy.parity import (
    INPUTS,
    ParityDifference,
    check,
)
from nasface.deploy.traceable import Graph, dynamic_shapes, inference_graph, trace
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ConfigError
from nasface.inference.onnx_runtime import ONNX_FORMAT, OUTPUT_NAMES, runner
from nasface.io.files import draft
from nasface.optional import need
from nasface.progress import Progress, Silent

if TYPE_CHECKING:
    import onnx

# Between the two runs every level has an odd side once and an even one once, and none of one
# position: so what depends on the size shows.
_SIZES = ((2, 3, 257, 384), (3, 3, 256, 129))


def export_onnx(
    loaded: LoadedDetector,
    path: Path,
    config: ExportConfig,
    progress: Progress | None = None,
) -> ParityDifference:
    """Write a detector as ONNX, after comparing the file with it; the greatest difference.

    Raises:
        ExportError: if the file does not agree with the detector; it is then not written.
        OutputError: if the file cannot be written.
    """
    (progress or Silent()).note("tracing")
    model = to_onnx(loaded, config)
    beside = draft_decoding(path, loaded, config) if config.outputs == "heads" else nullcontext()
    with beside, draft(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
        (progress or Silent()).note("comparing with the detector")
        return _compare(loaded, temporary, config)


def to_onnx(loaded: LoadedDetector, config: ExportConfig) -> "onnx.ModelProto":
    """Return the model of a detector, with its metadata.

    Raises:
        ConfigError: for fp16, if the network has operators that only torch's exporter knows.
    """
    try:
        model = recorded_model(loaded, config)
    except NotRecordableError as problem:
        if config.is_half:
            raise ConfigError(f"precision: fp16 is not available: {problem}") from None
        model = _traced(loaded, config)
    if config.outputs == "detections":
        model = with_suppression(model, config.suppression, config.opset)
    about = {"format": ONNX_FORMAT, **describe_export(loaded, config)}
    need("onnx", "nasface[export]").helper.set_model_props(model, about)
    model.doc_string = f"Face detector {loaded.name}"
    return model


def recorded_model(loaded: LoadedDetector, config: ExportConfig) -> "onnx.ModelProto":
    """Return the network as it was recorded, and anchors, boxes and scores behind it.

    It has neither suppression nor metadata; see :func:`to_onnx`.

    Raises:
        NotRecordableError: if the network has operators that only torch's exporter knows.
    """
    fixed, outputs = config.fixed, config.outputs
    sizes = _SIZES
    if fixed is not None:
        height, width, batch = fixed
        sizes = ((batch, 3, height, width), (batch, 3, height, width))
    recording = record(inference_graph(loaded.detector, "heads"), sizes)
    graph = GraphBuilder()
    half = graph.half = config.is_half
    images = graph.cast("images", "FLOAT16") if half else "images"
    found = add_recording(recording, graph, images)
    graph.half = False
    logits, deltas = [graph.cast(each, "FLOAT") if half else each for each in found]
    anchors = anchors_of(loaded.config, *fixed[:2]) if fixed else None
    if outputs == "heads":
        results = [logits, deltas]
    else:
        made = add_anchors(graph, "images", loaded.config) if anchors is None else anchors
        if outputs == "predictions":
            results = [logits, deltas, made if isinstance(made, str) else graph.floats(made)]
        else:
            results = [add_decoding(graph, deltas, made), add_scores(graph, logits)]
    names = _names(config)
    for result, name in zip(results, names, strict=True):
        graph.name(result, name)
    return graph.model("detector", *_dimensions(config, names, anchors), config.opset)


def _names(config: ExportConfig) -> tuple[str, ...]:
    """Return what the outputs are called before suppression."""
    return CANDIDATES if config.outputs == "detections" else OUTPUT_NAMES[config.outputs]


def _dimensions(
    config: ExportConfig, names: tuple[str, ...], anchors: torch.Tensor | None
) -> tuple[dict[str, list[Dimension]], dict[str, list[Dimension]]]:
    """Return the dimensions of the input, and of the outputs by name."""
    batch: Dimension = config.batch if config.fixed else "batch"
    number: Dimension = "anchors" if anchors is None else len(anchors)
    sides: tuple[Dimension, ...] = config.fixed[:2] if config.fixed else ("height", "width")
    last: dict[str, list[Dimension]] = {
        "logits": [batch, number, 2],
        "deltas": [batch, number, 4],
        "anchors": [number, 4],
        "boxes": [batch, number, 4],
        "scores": [batch, number],
    }
    outputs = {name: last[name.removeprefix("candidate_")] for name in names}
    return {"images": [batch, 3, *sides]}, outputs


def _traced(loaded: LoadedDetector, config: ExportConfig) -> "onnx.ModelProto":
    """Return the whole graph by torch's exporter, which takes longer and knows all operators."""
    program = trace(loaded.detector, config.outputs, config.fixed)
    with quiet_export():
        exported = torch.onnx.export(
            program,
            (),
            input_names=["images"],
            output_names=_names(config),
            dynamic_shapes=None if config.fixed else dynamic_shapes(),
            opset_version=config.opset,
            verbose=False,
        )
    assert exported is not None
    model: onnx.ModelProto = exported.model_proto
    _tidy(model)
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
    """Return the greatest difference of a file from the detector; see :func:`export_onnx`."""
    inputs = [config.fixed] if config.fixed else INPUTS
    tolerance = config.tolerance
    if config.outputs == "detections":
        return compare_suppressed(loaded.detector, path, config.suppression, inputs, tolerance)
    names = OUTPUT_NAMES[config.outputs]
    run = runner(path.read_bytes(), names)
    return check(Graph(loaded.detector, config.outputs), run, names, inputs, tolerance=tolerance)


@contextmanager
def quiet_export() -> Iterator[None]:
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

"""Programs of torch.export: the graph without the code that made it, run by torch alone."""

import io
from contextlib import nullcontext
from pathlib import Path

import torch

from nasface.deploy.config import ExportConfig
from nasface.deploy.decoding_files import draft_decoding
from nasface.deploy.metadata import describe_export
from nasface.deploy.parity import INPUTS, ParityDifference, check
from nasface.deploy.traceable import SMALLEST_TRACED, Graph, trace
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ExportError
from nasface.inference.onnx_runtime import OUTPUT_NAMES
from nasface.io.files import draft
from nasface.io.strict_json import to_json
from nasface.progress import Progress, Silent

_ABOUT = "about.json"
"""Name under which a program carries its metadata."""


def export_program(
    loaded: LoadedDetector,
    path: Path,
    config: ExportConfig,
    progress: Progress | None = None,
) -> ParityDifference:
    """Write a detector as a program, after comparing the file with it; the greatest difference.

    Images must have at least ``SMALLEST_TRACED`` rows and columns.

    Raises:
        ExportError: for outputs that a program cannot give, or if the file does not agree with the
            detector; it is then not written.
        OutputError: if the file cannot be written.
    """
    if config.outputs == "detections":
        raise ExportError(
            "outputs: a program gives heads, predictions or boxes; detections ends .onnx"
        )
    if config.precision != "fp32":
        raise ExportError("precision: a program is fp32; fp16 ends .onnx")
    (progress or Silent()).note("tracing")
    program = trace(loaded.detector, config.outputs, config.fixed)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # holds paths of this machine
    about = {_ABOUT: to_json(describe_export(loaded, config), indent=None)}
    beside = draft_decoding(path, loaded, config) if config.outputs == "heads" else nullcontext()
    with beside, draft(path) as temporary:
        # In memory first: where the disk is full, torch ends the process.
        whole = io.BytesIO()
        torch.export.save(program, whole, extra_files=about)
        with whole.getbuffer() as data:
            temporary.write_bytes(data)
        (progress or Silent()).note("comparing with the detector")
        run = torch.export.load(temporary).module()
        original = Graph(loaded.detector, config.outputs)
        open_inputs = [each for each in INPUTS if min(each[:2]) >= SMALLEST_TRACED]
        inputs = [config.fixed] if config.fixed else open_inputs
        return check(original, run, OUTPUT_NAMES[config.outputs], inputs)

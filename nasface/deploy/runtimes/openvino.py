"""A folder for OpenVINO, whose files hold what ONNX says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.deploy.parity import INPUTS, ParityDifference, ReportProgress, check
from nasface.deploy.runtimes.registry import write_decoding
from nasface.deploy.traceable import Graph
from nasface.detection.checkpoint import LoadedDetector
from nasface.optional import need


def write_openvino(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, report: ReportProgress
) -> ParityDifference:
    """Write ``detector.xml`` and ``detector.bin`` in float32; the greatest difference.

    Suppression is left to ``decode.py``: OpenVINO's drops a box whose overlap equals the threshold.
    """
    openvino = need("openvino", "nasface[openvino]")
    write_decoding(loaded, folder, config)
    report("converting")
    model = to_onnx(loaded, replace(config, outputs="heads"))
    (folder / "detector.onnx").write_bytes(model.SerializeToString())
    converted = openvino.convert_model(folder / "detector.onnx")
    (folder / "detector.onnx").unlink()
    openvino.save_model(converted, folder / "detector.xml", compress_to_fp16=config.is_half)
    report("comparing with the detector")
    run = open_openvino(folder / "detector.xml", torch.get_num_threads())
    inputs = [config.fixed] if config.fixed else INPUTS
    original = Graph(loaded.detector, "heads")
    return check(original, run, ("logits", "deltas"), inputs, tolerance=config.tolerance)


def open_openvino(path: Path, threads: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """A file of OpenVINO as a function of images, on the CPU in float32."""
    core = need("openvino", "nasface[openvino]").Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(path, "CPU", settings)

    def run(images: Tensor) -> tuple[Tensor, ...]:
        found = compiled(images.contiguous().numpy())
        return tuple(torch.tensor(found[each]) for each in compiled.outputs)

    return run

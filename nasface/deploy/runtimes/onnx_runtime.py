"""A folder for ONNX Runtime."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import export_onnx
from nasface.deploy.parity import ParityDifference
from nasface.deploy.runtimes.registry import write_decoding
from nasface.detection.checkpoint import LoadedDetector
from nasface.optional import need
from nasface.progress import Progress


def write_onnx_runtime(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, progress: Progress
) -> ParityDifference:
    """Write ``detector.onnx`` with suppression in its graph; the greatest difference."""
    write_decoding(loaded, folder, config)
    settings = replace(config, outputs="detections")
    return export_onnx(loaded, folder / "detector.onnx", settings, progress)


def open_onnx_runtime(path: Path, threads: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Return an ONNX file as a function of images, on the CPU."""
    runtime = need("onnxruntime", "nasface[export]")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> tuple[Tensor, ...]:
        found = session.run(None, {"images": images.contiguous().numpy()})
        return tuple(map(torch.from_numpy, found))

    return run

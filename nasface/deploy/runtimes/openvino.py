"""A folder for OpenVINO, whose files hold what ONNX says."""

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.deploy.parity import ParityDifference
from nasface.deploy.runtimes.registry import compare_heads, write_decoding
from nasface.detection.checkpoint import LoadedDetector
from nasface.inference.openvino import open_openvino, read_model, save_model
from nasface.progress import Progress


def write_openvino(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, progress: Progress
) -> ParityDifference:
    """Write ``detector.xml`` and ``detector.bin`` in float32; the greatest difference.

    Suppression is left to ``decode.py``: OpenVINO's drops a box whose overlap equals the threshold.
    """
    write_decoding(loaded, folder, config)
    progress.note("converting")
    save_openvino(loaded, folder / "detector.xml", config)
    progress.note("comparing with the detector")
    run = open_openvino(folder / "detector.xml", torch.get_num_threads())
    return compare_heads(loaded, run, config)


def save_openvino(loaded: LoadedDetector, path: Path, config: ExportConfig) -> None:
    """Write an ``.xml`` file that gives logits and offsets, with the weights beside it.

    Raises:
        ExportError: if OpenVINO cannot write it, as on a full disk.
    """
    model = to_onnx(loaded, replace(config, outputs="heads"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "detector.onnx"
        file.write_bytes(model.SerializeToString())
        save_model(read_model(file), path, is_half=config.is_half)

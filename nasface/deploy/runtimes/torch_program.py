"""Folders for torch: a program of torch.export, or plain Python."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nasface.deploy.config import ExportConfig
from nasface.deploy.parity import ParityDifference
from nasface.deploy.python_source.file import export_python
from nasface.deploy.runtimes.registry import write_decoding
from nasface.deploy.torch_export import export_program
from nasface.detection.checkpoint import LoadedDetector
from nasface.progress import Progress


def write_torch(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, progress: Progress
) -> ParityDifference:
    """Write ``detector.pt2``, which gives boxes and scores of all anchors."""
    write_decoding(loaded, folder, config)
    settings = replace(config, outputs="boxes")
    return export_program(loaded, folder / "detector.pt2", settings, progress)


def write_plain(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, progress: Progress
) -> ParityDifference:
    """Write ``detector.py`` and its weights."""
    return export_python(loaded, folder / "detector.py", config, progress)


def open_torch(path: Path, threads: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Return a program of torch.export as a function of images."""
    torch.set_num_threads(threads)
    program = torch.export.load(path).module()

    def run(images: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            found: tuple[Tensor, ...] = program(images)
            return found

    return run

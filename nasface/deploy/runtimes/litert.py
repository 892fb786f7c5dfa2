"""A folder for LiteRT."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from nasface.deploy.config import ExportConfig
from nasface.deploy.parity import ParityDifference
from nasface.deploy.runtimes.heads_program import Converter, write_heads
from nasface.detection.checkpoint import LoadedDetector
from nasface.optional import need
from nasface.progress import Progress

_CONVERTER = Converter("convert_litert.py", "litert_torch", "litert-torch==0.10.0")


def write_litert(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, progress: Progress
) -> ParityDifference:
    """Write ``detector.tflite``; see :func:`nasface.deploy.runtimes.heads_program.write_heads`."""
    file = folder / "detector.tflite"
    return write_heads(loaded, file, config, progress, _CONVERTER, open_litert)


def open_litert(path: Path, threads: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Return a file of LiteRT with heads as a function of images, on the CPU."""
    litert = need("ai_edge_litert.interpreter", "nasface[litert]")
    run_signature = litert.Interpreter(str(path), num_threads=threads).get_signature_runner()

    def run(images: Tensor) -> tuple[Tensor, ...]:
        found = run_signature(args_0=images.contiguous().numpy())
        return tuple(torch.tensor(found[name]) for name in ("output_0", "output_1"))

    return run

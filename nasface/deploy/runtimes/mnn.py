"""A folder for MNN."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.deploy.parity import ParityDifference
from nasface.deploy.runtimes.registry import compare_heads, write_decoding
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ExportError
from nasface.optional import need
from nasface.progress import Progress

# The compiled converter itself. MNN's command around it (3.6.1) installs a client with whatever pip
# is on PATH and reports the conversion to its makers; see findings/converter_installs.sh.
_CONVERT = "import sys, _tools; _tools.mnnconvert(sys.argv)"


def write_mnn(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, progress: Progress
) -> ParityDifference:
    """Write ``detector.mnn``, which gives heads for images of any size; the greatest difference.

    Raises:
        ExportError: if MNN's converter does not take the graph.
    """
    write_decoding(loaded, folder, config)
    progress.note("converting")
    model = to_onnx(loaded, replace(config, outputs="heads", precision="fp32"))
    onnx, mnn = folder / "detector.onnx", folder / "detector.mnn"
    onnx.write_bytes(model.SerializeToString())
    command = [sys.executable, "-c", _CONVERT, "-f", "ONNX", "--modelFile", str(onnx)]
    command += ["--MNNModel", str(mnn), "--bizCode", "nasface"]
    done = subprocess.run(
        command + ["--fp16"] * config.is_half, capture_output=True, text=True, check=False
    )
    onnx.unlink()
    if not mnn.is_file():
        raise ExportError(f"MNN's converter: {(done.stderr or done.stdout).strip()[-300:]}")
    progress.note("comparing with the detector")
    return compare_heads(loaded, open_mnn(mnn, torch.get_num_threads()), config)


def open_mnn(path: Path, threads: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Return a file of MNN with heads as a function of images, on the CPU."""
    nn, expr = need("MNN.nn", "nasface[mnn]"), need("MNN.expr", "nasface[mnn]")
    manager = nn.create_runtime_manager(({"backend": "CPU", "numThread": threads},))
    net = nn.load_module_from_file(
        str(path), ["images"], ["logits", "deltas"], runtime_manager=manager
    )

    def run(images: Tensor) -> tuple[Tensor, ...]:
        given = expr.placeholder(list(images.shape), expr.NCHW)
        given.write(images.contiguous().numpy())
        return tuple(
            torch.tensor(expr.convert(each, expr.NCHW).read()) for each in net.forward([given])
        )

    return run

"""A folder for ExecuTorch."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from nasface.deploy.config import ExportConfig
from nasface.deploy.parity import ParityDifference
from nasface.deploy.runtimes.heads_program import Converter, write_heads
from nasface.detection.checkpoint import LoadedDetector
from nasface.optional import need
from nasface.progress import Progress

_CONVERTER = Converter("convert_executorch.py", "executorch", "executorch==1.5.1")


def write_executorch(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, progress: Progress
) -> ParityDifference:
    """Write ``detector.pte``; see :func:`nasface.deploy.runtimes.heads_program.write_heads`."""
    file = folder / "detector.pte"
    return write_heads(loaded, file, config, progress, _CONVERTER, open_executorch)


def open_executorch(path: Path, threads: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Return a file of ExecuTorch with heads as a function of images, on the CPU."""
    runtime = need("executorch.runtime", "nasface[executorch]")
    bindings = need("executorch.extension.pybindings.portable_lib", "nasface[executorch]")
    bindings._unsafe_reset_threadpool(threads)
    program = runtime.Runtime.get().load_program(path)
    method = program.load_method("forward")

    def run(images: Tensor) -> tuple[Tensor, ...]:
        found = method.execute([images.contiguous()])
        return tuple(each.clone() for each in found)

    return run

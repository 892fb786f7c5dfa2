"""A folder for Core ML, which itself runs on Apple's systems only."""

import logging
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from nasface.deploy.config import ExportConfig
from nasface.deploy.parity import ParityDifference
from nasface.deploy.runtimes.heads_program import Converter, write_heads
from nasface.deploy.runtimes.mil import evaluate_graph
from nasface.detection.checkpoint import LoadedDetector
from nasface.optional import need
from nasface.progress import Progress

_CONVERTER = Converter("convert_coreml.py", "coremltools", "coremltools==9.0", halves=True)


def write_coreml(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, progress: Progress
) -> ParityDifference:
    """Write ``detector.mlpackage``; see :func:`nasface.deploy.runtimes.heads_program.write_heads`.

    What is compared is the graph in the file, computed with torch; float16 weights in float32.
    """
    file = folder / "detector.mlpackage"
    return write_heads(loaded, file, config, progress, _CONVERTER, open_graph)


def open_graph(path: Path, threads: int = 1) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Return the graph of a package as a function of images, without Core ML."""
    # It warns of libraries that only Apple's systems have.
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    models = need("coremltools.models", "nasface[coreml]")
    reader = need("coremltools.converters.mil.frontend.milproto.load", "nasface[coreml]")
    package = models.MLModel(str(path), skip_model_load=True)
    spec = package.get_spec()
    program = reader.load(spec, spec.specificationVersion, package.weights_dir)
    graph = program.functions["main"]

    def run(images: Tensor) -> tuple[Tensor, ...]:
        found = evaluate_graph(graph, {"images": images})
        return found["logits"], found["deltas"]

    return run

"""A detector as one plain Python file, with its weights beside it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import cast

from safetensors.torch import save

from nasface.deploy.config import ExportConfig
from nasface.deploy.metadata import describe_export
from nasface.deploy.parity import ParityDifference, check
from nasface.deploy.python_source.detector import write_source
from nasface.deploy.traceable import Graph
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.detector import Detector
from nasface.errors import ExportError
from nasface.inference.onnx_runtime import OUTPUT_NAMES
from nasface.io.files import draft
from nasface.progress import Progress, Silent


def export_python(
    loaded: LoadedDetector,
    path: Path,
    config: ExportConfig,
    progress: Progress | None = None,
) -> ParityDifference:
    """Write the file and its weights, after comparing it with the detector, to the last bit.

    Raises:
        ExportError: if the name of the file cannot be imported, or if the file does not agree with
            the detector; no file is then written.
        OutputError: if a file cannot be written.
    """
    if config.size or config.precision != "fp32":
        raise ExportError("size, precision: a Python file takes any size, in fp32")
    if not path.stem.isidentifier():
        raise ExportError(f"{path}: {path.stem!r} cannot be imported; expected a Python name")
    detector = cast(Detector, loaded.detector)
    source = write_source(detector, loaded.name, config.suppression, path.stem)
    tensors = {
        key: value.detach().cpu().contiguous()
        for key, value in source.renamed(detector.state_dict()).items()
    }
    with draft(path) as code, draft(path.with_suffix(".safetensors")) as weights:
        code.write_text(source.text, encoding="utf-8")
        weights.write_bytes(save(tensors, describe_export(loaded, config)))
        (progress or Silent()).note("comparing with the detector")
        try:
            plain = load_module(code).load(weights)
        except Exception as problem:  # code may raise anything, that of an extension above all
            raise ExportError(f"the file does not run: {problem!r:.300}") from problem
        names = OUTPUT_NAMES["predictions"]
        return check(Graph(detector, "predictions"), plain, names, tolerance=0)


def load_module(path: Path) -> ModuleType:
    """Return the module of a Python file, wherever it lies."""
    specification = importlib.util.spec_from_file_location(f"exported_{path.stem}", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    caching, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        specification.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = caching
    return module

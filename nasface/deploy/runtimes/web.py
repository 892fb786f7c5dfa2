"""A page that finds faces in the browser."""

import json
import os
import shutil
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path

from nasface.data.tensors import IMAGE_MEAN, IMAGE_STD
from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import export_onnx
from nasface.deploy.parity import ParityDifference
from nasface.deploy.runtimes.card import title_of
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ConfigError, MissingPackageError
from nasface.inference.tta import OCTAVE_LEAST, OCTAVE_MOST, OCTAVE_SIDE
from nasface.io.strict_json import to_json
from nasface.progress import Progress

_PACKAGE = "onnxruntime-web"
PACKAGE_PLACE = "NASFACE_ONNXRUNTIME_WEB"
"""Variable of the environment that names the folder of the npm package onnxruntime-web."""

RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
"""Files of the package that a page needs, for the processor and for WebGPU."""
_LEAST_SCORE = 0.05
"""Where the slider of the page begins."""


def write_web(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, progress: Progress
) -> ParityDifference:
    """Write page, detector and runtime; the greatest difference of the detector's file.

    Raises:
        ConfigError: for a fixed size. MissingPackageError: without the npm package.
    """
    if config.fixed:
        raise ConfigError("size: a page takes pictures of any size")
    package = runtime_package(Path.cwd())
    suppression = replace(config.suppression, score_threshold=_LEAST_SCORE)
    settings = replace(config, outputs="detections", suppression=suppression)
    worst = export_onnx(loaded, folder / "detector.onnx", settings, progress)
    about = {
        "name": title_of(loaded, config),
        "file": "detector.onnx",
        "mean": IMAGE_MEAN,
        "standard_deviation": IMAGE_STD,
        "octaves": {"side": OCTAVE_SIDE, "least": OCTAVE_LEAST, "most": OCTAVE_MOST},
        "suppression": asdict(suppression),
        "runtime": f"{_PACKAGE} {_version(package)}",
    }
    (folder / "detector.json").write_text(to_json(about), "utf-8")
    for name in ("index.html", "app.mjs", "decode.mjs"):
        text = files("nasface.deploy").joinpath("templates", name).read_text("utf-8")
        (folder / name).write_text(text, "utf-8")
    (folder / "runtime").mkdir()
    for name in RUNTIME_FILES:
        shutil.copyfile(package / "dist" / name, folder / "runtime" / name)
    return worst


def runtime_package(start: Path) -> Path:
    """Return the folder of the npm package: as the environment says, or where node would look for
    it.

    Raises:
        MissingPackageError: if it is not there, or without the files that the page needs.
    """
    named = os.environ.get(PACKAGE_PLACE)
    places = [start, *start.parents]
    folders = [Path(named)] if named else [each / "node_modules" / _PACKAGE for each in places]
    for folder in folders:
        if all((folder / "dist" / name).is_file() for name in RUNTIME_FILES):
            return folder
    raise MissingPackageError(
        f"{_PACKAGE} is not installed; expected: npm install {_PACKAGE}, in this folder or one "
        f"above it, or {PACKAGE_PLACE} to name the package's folder"
    )


def _version(package: Path) -> str:
    return str(json.loads((package / "package.json").read_text("utf-8"))["version"])

"""The forms of a detector that scripts/benchmarks/runtimes.py compares, as files that run."""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from browser_form import BROWSER, open_chromium
from torch import Tensor

from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import export_onnx, to_onnx
from nasface.deploy.quantization.config import QuantizationConfig
from nasface.deploy.quantization.onnx import quantize_model
from nasface.deploy.quantization.openvino import quantize_openvino
from nasface.deploy.runtimes.openvino import save_openvino
from nasface.deploy.runtimes.registry import TARGETS, write_target
from nasface.deploy.runtimes.web import runtime_package
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import MissingPackageError
from nasface.progress import Silent

Run = Callable[[Tensor], tuple[Tensor, ...]]
Clock = Callable[[], float]
Write = Callable[[LoadedDetector, Path, ExportConfig, Tensor], Path]


@dataclass(frozen=True)
class Form:
    """A file of a detector in one runtime.

    ``write`` makes it in a new folder, from settings and images to calibrate with; ``open`` gives
    what runs it, and a clock of processor seconds (None for what is not timed). Files that are not
    ``fixed`` take any size and batch. ``needs`` are the modules without which there are no rows.
    """

    name: str
    precision: str
    write: Write
    open: Callable[[Path], tuple[Run, Clock | None]]
    version: Callable[[], str]
    needs: tuple[str, ...] = ()
    fixed: bool = False

    def missing(self) -> str:
        """Return the first module that is not installed, or nothing."""
        if self.name.startswith("web"):
            try:
                runtime_package(Path.cwd())
            except MissingPackageError as problem:
                return str(problem)
        if self.name.startswith("web, Chromium") and not BROWSER:
            return "Chromium"
        return next((each for each in self.needs if find_spec(each) is None), "")


def write_folder(
    name: str, file: str, loaded: LoadedDetector, folder: Path, config: ExportConfig, _: Tensor
) -> Path:
    """Write what ``nasface export --to`` writes."""
    write_target(loaded, name, folder, config)
    return folder / file


def write_onnx(loaded: LoadedDetector, folder: Path, config: ExportConfig, _: Tensor) -> Path:
    """Write the heads as ONNX."""
    folder.mkdir()
    export_onnx(loaded, folder / "detector.onnx", replace(config, outputs="heads"))
    return folder / "detector.onnx"


def samples_of(images: Tensor, config: ExportConfig) -> Sequence[Callable[[], Tensor]]:
    """Return functions that read the images that are compared, to calibrate with: one by one unless
    the size is fixed."""
    batches = images.split(len(images) if config.fixed else 1)
    return [partial(torch.clone, each) for each in batches]


def write_int8(loaded: LoadedDetector, folder: Path, config: ExportConfig, images: Tensor) -> Path:
    """Write the heads as ONNX with 8-bit integers, calibrated on the images that are compared."""
    model = to_onnx(loaded, replace(config, outputs="heads"))
    made = quantize_model(model, samples_of(images, config), QuantizationConfig(), Silent())
    folder.mkdir()
    (folder / "detector.onnx").write_bytes(made.SerializeToString())
    return folder / "detector.onnx"


def write_openvino_int8(
    loaded: LoadedDetector, folder: Path, config: ExportConfig, images: Tensor
) -> Path:
    """Write the same for OpenVINO, by NNCF."""
    folder.mkdir()
    whole, file = folder / "float32.xml", folder / "detector.xml"
    save_openvino(loaded, whole, config)
    samples = samples_of(images, config)
    quantize_openvino(whole, file, samples, QuantizationConfig(), {}, Silent())
    return file


def open_target(name: str, path: Path) -> tuple[Run, Clock]:
    """Open a file as ``nasface benchmark`` does, with one thread."""
    opener = TARGETS[name].open
    assert opener is not None
    return opener(path, 1), time.process_time


def open_graph(path: Path) -> tuple[Run, None]:
    """Open the graph in a package of Core ML, computed with torch."""
    return import_module("nasface.deploy.runtimes.coreml").open_graph(path), None


def open_opencv(engine: int, path: Path) -> tuple[Run, Clock]:
    """Open an ONNX file in OpenCV's network module."""
    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromONNX(str(path), engine=engine)

    def run(images: Tensor) -> tuple[Tensor, ...]:
        net.setInput(np.ascontiguousarray(images.numpy()))
        found = net.forward(["logits", "deltas"])
        return tuple(torch.tensor(np.asarray(each)) for each in found)

    return run, time.process_time


class Node:
    """onnxruntime-web in a process of node, on one thread."""

    def __init__(self, path: Path) -> None:
        self.seconds = 0.0
        self.folder = tempfile.TemporaryDirectory()
        script = Path(__file__).with_name("run_web.mjs")
        package = runtime_package(Path.cwd()) / "dist" / "ort.wasm.min.mjs"
        self.process = subprocess.Popen(
            ["node", str(script), str(package.resolve()), str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the heads of images."""
        place = Path(self.folder.name)
        images.numpy().tofile(place / "images")
        order = {"shape": list(images.shape), "folder": str(place)}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(order), file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline() or '{"error": "ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        self.seconds += answer["seconds"]
        return tuple(
            torch.from_numpy(np.fromfile(place / name, np.float32).reshape(answer[name]))
            for name in ("logits", "deltas")
        )


def open_web(path: Path) -> tuple[Run, Clock]:
    """Open an ONNX file in onnxruntime-web, which computes with WebAssembly."""
    node = Node(path)
    return node.run, lambda: node.seconds


def web_version() -> str:
    """Return the release of the npm package."""
    about = json.loads((runtime_package(Path.cwd()) / "package.json").read_text("utf-8"))
    return f"onnxruntime-web {about['version']}"


def version_of(distribution: str) -> Callable[[], str]:
    """Return a function that gives the name and release of a package."""
    return lambda: f"{distribution} {metadata.version(distribution)}"


_RUNTIME = ("onnx", "onnxruntime")


def _forms() -> Sequence[Form]:
    onnx = version_of("onnxruntime")
    opener: Callable[[Path], tuple[Run, Clock | None]]
    made = [
        Form("onnx", "fp32", write_onnx, partial(open_target, "onnx"), onnx, _RUNTIME),
        Form("onnx", "fp16", write_onnx, partial(open_target, "onnx"), onnx, _RUNTIME),
        Form("onnx", "int8", write_int8, partial(open_target, "onnx"), onnx, _RUNTIME),
        Form("web", "fp32", write_onnx, open_web, web_version, _RUNTIME),
        Form("web", "fp16", write_onnx, open_web, web_version, _RUNTIME),
        Form("web", "int8", write_int8, open_web, web_version, _RUNTIME),
    ]
    for provider, name in (("wasm", "web, Chromium"), ("webgpu", "web, Chromium with WebGPU")):
        opener = partial(open_chromium, provider)
        made.append(Form(name, "fp32", write_onnx, opener, web_version, (*_RUNTIME, "playwright")))
    write: Write
    for name, file, distribution, precisions in (
        ("openvino", "detector.xml", "openvino", ("fp32", "fp16")),
        ("mnn", "detector.mnn", "MNN", ("fp32", "fp16")),
        ("ncnn", "detector.ncnn.param", "ncnn", ("fp32", "fp16")),
        ("litert", "detector.tflite", "ai-edge-litert", ("fp32",)),
        ("executorch", "detector.pte", "executorch", ("fp32",)),
        ("coreml", "detector.mlpackage", "coremltools", ("fp32", "fp16")),
    ):
        opener = open_graph if name == "coreml" else partial(open_target, name)
        fixed = name in ("ncnn", "litert", "executorch", "coreml")
        for precision in precisions:
            write = partial(write_folder, name, file)
            version, needs = version_of(distribution), TARGETS[name].needs
            made.append(Form(name, precision, write, opener, version, needs, fixed))
        if name == "openvino":
            needs = (*TARGETS[name].needs, "nncf")
            made.append(Form(name, "int8", write_openvino_int8, opener, version, needs))
    engines = (
        ("opencv, new engine", "ENGINE_NEW", False),
        ("opencv, classic", "ENGINE_CLASSIC", True),
    )
    for name, engine, fixed in engines:
        opener = partial(open_opencv, getattr(cv2.dnn, engine, 0))
        version = version_of("opencv-python-headless")
        for precision, write in (("fp32", write_onnx), ("fp16", write_onnx), ("int8", write_int8)):
            made.append(Form(name, precision, write, opener, version, _RUNTIME, fixed))
    return made


FORMS = _forms()
"""All that is compared, ONNX Runtime first."""

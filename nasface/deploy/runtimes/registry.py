"""The runtimes that ``nasface export --to`` writes folders for."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from torch import Tensor

from nasface.deploy.config import ExportConfig
from nasface.deploy.decoding_files import decoding_recipe, numpy_code
from nasface.deploy.outputs import check_parent, named_refusals
from nasface.deploy.parity import INPUTS, Function, ParityDifference, check
from nasface.deploy.runtimes.card import title_of, write_readme
from nasface.deploy.traceable import Graph
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ExportError
from nasface.inference.onnx_runtime import OUTPUT_NAMES
from nasface.io.files import draft_folder
from nasface.io.strict_json import to_json
from nasface.optional import require
from nasface.progress import Progress, Silent
from nasface.registry import Lazy, Registry

FolderWriter = Callable[[LoadedDetector, Path, ExportConfig, Progress], ParityDifference]
"""Writes the runtime's own files into a new folder and compares what they give."""


Opener = Callable[[Path, int], Callable[[Tensor], tuple[Tensor, ...]]]
"""Opens a file to run with so many threads; gives a function of images (B, 3, H, W)."""


@dataclass(frozen=True)
class Target:
    """A runtime, for which ``nasface export --to NAME`` writes a folder.

    ``program`` is the file of ``nasface/deploy/templates`` that runs it on a photograph, empty
    where the folder is one itself. ``open`` opens a file with ``suffix`` to run it here. ``needs``
    are the packages that convert, ``install`` is what to give to pip for them, and ``runs_with``
    what it takes to run the folder. ``note`` is what else the card says.
    """

    name: str
    text: str
    write: FolderWriter
    program: str = ""
    suffix: str = ""
    open: Opener | None = None
    needs: tuple[str, ...] = ()
    install: str = ""
    runs_with: str = ""
    note: str = ""


MARK = "README.md"
"""The card, by which a folder is known as one of ours."""

TARGETS: Registry[Target] = Registry("target")
"""Name -> runtime that exports are written for."""


def register_target(entry: Target) -> None:
    """Add a runtime.

    Raises:
        ConfigError: if its name is taken.
    """
    TARGETS.check_entry(entry, Target)
    TARGETS.add(entry.name, entry)


_ROOM = "nasface.deploy.runtimes"
for _entry in (
    Target(
        "onnx",
        "ONNX Runtime, on servers, desktops and phones",
        Lazy(f"{_ROOM}.onnx_runtime:write_onnx_runtime"),
        "detect_onnx.py",
        ".onnx",
        Lazy(f"{_ROOM}.onnx_runtime:open_onnx_runtime"),
        ("onnx", "onnxruntime"),
        "nasface[export]",
        "pip install numpy onnxruntime pillow",
    ),
    Target(
        "openvino",
        "OpenVINO, on processors and graphics of Intel",
        Lazy(f"{_ROOM}.openvino:write_openvino"),
        "detect_openvino.py",
        ".xml",
        Lazy("nasface.inference.openvino:open_openvino"),
        ("onnx", "onnxruntime", "openvino"),
        "nasface[openvino]",
        "pip install numpy openvino pillow",
    ),
    Target(
        "mnn",
        "MNN, on phones",
        Lazy(f"{_ROOM}.mnn:write_mnn"),
        "detect_mnn.py",
        ".mnn",
        Lazy(f"{_ROOM}.mnn:open_mnn"),
        ("onnx", "onnxruntime", "MNN"),
        "nasface[mnn]",
        "pip install numpy MNN pillow",
    ),
    Target(
        "ncnn",
        "ncnn, on phones and small boards",
        Lazy(f"{_ROOM}.ncnn:write_ncnn"),
        "detect_ncnn.py",
        ".param",
        Lazy(f"{_ROOM}.ncnn:open_ncnn"),
        ("onnx", "onnxruntime", "ncnn", "pnnx"),
        "nasface[ncnn]",
        "pip install numpy ncnn pillow",
    ),
    Target(
        "litert",
        "LiteRT, on phones and boards",
        Lazy(f"{_ROOM}.litert:write_litert"),
        "detect_litert.py",
        ".tflite",
        Lazy(f"{_ROOM}.litert:open_litert"),
        ("ai_edge_litert",),
        "nasface[litert]",
        "pip install ai-edge-litert numpy pillow",
    ),
    Target(
        "executorch",
        "ExecuTorch, on phones, by XNNPACK",
        Lazy(f"{_ROOM}.executorch:write_executorch"),
        "detect_executorch.py",
        ".pte",
        Lazy(f"{_ROOM}.executorch:open_executorch"),
        ("executorch",),
        "nasface[executorch]",
        "pip install executorch numpy pillow",
    ),
    Target(
        "coreml",
        "Core ML, on iOS 16 and macOS 13",
        Lazy(f"{_ROOM}.coreml:write_coreml"),
        "detect_coreml.py",
        needs=("coremltools",),
        install="nasface[coreml]",
        runs_with="pip install coremltools numpy pillow",
        note="Core ML runs on Apple's systems only. The graph was read back from the file and "
        "computed with torch, operator by operator; Core ML itself and `detect.py` were not run.",
    ),
    Target(
        "torch",
        "torch, a program of torch.export",
        Lazy(f"{_ROOM}.torch_program:write_torch"),
        "detect_torch.py",
        ".pt2",
        Lazy(f"{_ROOM}.torch_program:open_torch"),
        runs_with="pip install numpy pillow torch",
    ),
    Target(
        "python",
        "torch, one plain Python file to read and change",
        Lazy(f"{_ROOM}.torch_program:write_plain"),
        "detect_python.py",
        runs_with="pip install numpy pillow safetensors torch",
    ),
    Target(
        "web",
        "a page in the browser, with onnxruntime-web",
        Lazy(f"{_ROOM}.web:write_web"),
        needs=("onnx", "onnxruntime"),
        install="nasface[export]",
        runs_with="nasface serve FOLDER, or any static host",
    ),
):
    register_target(_entry)


def write_target(
    loaded: LoadedDetector,
    name: str,
    folder: Path,
    config: ExportConfig | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ParityDifference:
    """Write a folder that runs a detector in a runtime, after comparing what it gives.

    Each step is a note of ``progress``.

    Returns:
        The greatest difference of its outputs from the detector's.

    Raises:
        ConfigError: for an unknown target. ExportError: if the folder is there already (without
            ``overwrite``), or its files do not agree with the detector. Nothing is written then.
        MissingPackageError: if a package is missing.
    """
    entry, config = TARGETS.find(name, "to"), config or ExportConfig()
    if folder.exists() and not overwrite:
        raise ExportError(f"{folder}: is there already; expected a new folder, or overwrite")
    if folder.exists() and not (folder / MARK).is_file():
        raise ExportError(f"{folder}: is no folder of an export; it is not replaced")
    check_parent(folder)
    require(entry.install or " ".join(entry.needs), *entry.needs)
    with draft_folder(folder) as draft:
        with named_refusals(folder):
            worst = entry.write(loaded, draft, config, progress or Silent())
        if entry.program:
            text = files("nasface.deploy").joinpath("templates", entry.program).read_text("utf-8")
            (draft / "detect.py").write_text(text, "utf-8")
        title = title_of(loaded, config)
        card = write_readme(title, entry.text, entry.runs_with, loaded.metrics, worst, entry.note)
        (draft / MARK).write_text(card, "utf-8")
        if folder.exists():
            shutil.rmtree(folder)
    return worst


def compare_heads(loaded: LoadedDetector, run: Function, config: ExportConfig) -> ParityDifference:
    """Compare logits and offsets that a runtime gives with the detector's; the worst difference.

    Raises:
        ExportError: if they differ by more than the tolerance of ``config``.
    """
    inputs = [config.fixed] if config.fixed else INPUTS
    original = Graph(loaded.detector, "heads")
    return check(original, run, OUTPUT_NAMES["heads"], inputs, tolerance=config.tolerance)


def write_decoding(loaded: LoadedDetector, folder: Path, config: ExportConfig) -> None:
    """Write ``detector.json`` and ``decode.py``, for a runtime that gives bare heads."""
    recipe = {**decoding_recipe(loaded, config), "size": config.fixed}
    (folder / "detector.json").write_text(to_json(recipe), "utf-8")
    (folder / "decode.py").write_text(numpy_code(), "utf-8")

"""Detectors from files of OpenVINO, run by it on the CPU."""

import contextlib
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ExportError, RunError
from nasface.inference.onnx_runtime import ExportedFile, exported_detector
from nasface.optional import hidden, need

METADATA = "framework"
"""Where OpenVINO keeps the metadata of the ONNX file that a model was read from."""

REPORTER = "openvino_telemetry"
"""The package by which OpenVINO 2026.4 tells its makers of each import, unless that was forbidden
beforehand."""


_INSTRUCTIONS = "ONEDNN_MAX_CPU_ISA"
_BELOW_AMX = "AVX512_CORE_FP16"


def import_openvino() -> ModuleType:
    """Import OpenVINO so that it tells nobody, and computes without AMX unless that is asked for.

    Raises:
        MissingPackageError: without it.
    """
    with hidden(REPORTER):
        runtime = need("openvino", "nasface[openvino]")
    _leave_amx_out(runtime)
    return runtime


@cache
def _leave_amx_out(runtime: ModuleType) -> None:
    """Keep OpenVINO 2026.4.1 from ending the process: with AMX it does so in some 8-bit
    networks. It looks at the variable once, when the part for the CPU is loaded."""
    if _INSTRUCTIONS in os.environ:
        return
    os.environ[_INSTRUCTIONS] = _BELOW_AMX
    try:
        with contextlib.suppress(RuntimeError):  # no part for the CPU
            runtime.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    finally:
        del os.environ[_INSTRUCTIONS]


def save_model(model: Any, path: Path, *, is_half: bool = False) -> None:
    """Write a model of OpenVINO as an ``.xml`` file with the weights in a ``.bin`` beside it.

    Raises:
        ExportError: if OpenVINO cannot write it, as on a full disk.
    """
    try:
        import_openvino().save_model(model, path, compress_to_fp16=is_half)
    except RuntimeError as problem:
        said = " ".join(str(problem).split())[:200]
        raise ExportError(
            f"the {path.suffix} file cannot be written by OpenVINO, as on a full disk: {said!a}"
        ) from None


def load_openvino(path: Path) -> LoadedDetector:
    """Return the detector of an ``.xml`` file of ``nasface export --to openvino`` or
    ``nasface quantize``, whose weights lie beside it.

    Raises:
        MissingPackageError: without OpenVINO. RunError: naming the file, if it cannot be read or is
            no such detector.
    """
    model = read_model(path)
    about = model.get_rt_info(METADATA).astype(dict) if model.has_rt_info(METADATA) else {}
    shape = model.input(0).get_partial_shape()
    file = ExportedFile(
        path,
        {key: str(value.value) for key, value in about.items()},
        model.input(0).get_any_name(),
        tuple(each.get_any_name() for each in model.outputs),
        tuple(each.get_length() if each.is_static else str(each) for each in shape),
    )
    return exported_detector(
        file, lambda names: _compile(model, torch.get_num_threads(), names, path), "OpenVINO"
    )


def open_openvino(path: Path, threads: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Return a file of OpenVINO as a function of images, on the CPU in float32.

    Raises:
        MissingPackageError: without OpenVINO. RunError: naming the file, if it cannot be read.
    """
    model = read_model(path)
    return _compile(model, threads, [each.get_any_name() for each in model.outputs], path)


def read_model(path: Path) -> Any:
    """Return a model of OpenVINO or ONNX, as OpenVINO has it.

    Raises:
        MissingPackageError: without OpenVINO. RunError: naming the file, if it cannot be read.
    """
    core = import_openvino().Core()
    core.set_property({"ENABLE_MMAP": False})  # so that the file can be replaced on Windows
    try:
        return core.read_model(path)
    except RuntimeError as problem:
        raise RunError(f"{path}: no model of OpenVINO: {_words(problem)}") from None


def _compile(
    model: Any, threads: int, names: Sequence[str], path: Path
) -> Callable[[Tensor], tuple[Tensor, ...]]:
    core = import_openvino().Core()
    with contextlib.suppress(RuntimeError):  # a release that has no such cache
        # It keeps what it prepared for each size: half a gigabyte after some hundred photographs.
        core.set_property("CPU", {"CPU_RUNTIME_CACHE_CAPACITY": 0})
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(model, "CPU", settings)

    def run(images: Tensor) -> tuple[Tensor, ...]:
        try:
            found = compiled(images.detach().cpu().contiguous().numpy())
        except RuntimeError as problem:
            raise RunError(f"{path}: does not run: {_words(problem)}") from None
        return tuple(torch.tensor(found[each]) for each in names)

    return run


def _words(problem: RuntimeError) -> str:
    return ascii(" ".join(str(problem).split())[-200:])

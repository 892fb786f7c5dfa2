"""Engines of a comparison of models: ONNX Runtime and torch, on the CPU and on a GPU."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from nasface.deploy.alternating import Run
from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.deploy.traceable import Graph
from nasface.detection.checkpoint import LoadedDetector
from nasface.device import wait_for
from nasface.errors import ExportError
from nasface.inference.onnx_runtime import OUTPUT_NAMES, runner
from nasface.nn.blocks import channels_last
from nasface.nn.fuse import fuse_conv_bn
from nasface.registry import Registry

PrepareModel = Callable[[LoadedDetector, Tensor], Run]
"""(detector, image (1, 3, H, W) on the CPU) -> a pass up to boxes and scores, without
suppression."""


@dataclass(frozen=True)
class ModelEngine:
    """A way to run a detector on a ``device``.

    To prepare and run one takes memory for so many ``copies`` of its weights and for a share of its
    ``activations``. ``needs`` are packages, of the extra ``install``.
    """

    prepare: PrepareModel
    device: str = "cpu"
    copies: float = 3
    activations: float = 0.25
    needs: tuple[str, ...] = ()
    install: str = ""


MODEL_ENGINES: Registry[ModelEngine] = Registry("engine of models")
"""Name -> how it runs a detector."""


def register_model_engine(name: str, engine: ModelEngine) -> None:
    """Add an engine for comparisons of models.

    Raises:
        ConfigError: if the name is taken.
    """
    MODEL_ENGINES.check_entry(engine, ModelEngine)
    MODEL_ENGINES.add(name, engine)


def engines_here() -> tuple[str, ...]:
    """Return the engines that a plan measures without naming any: on the CPU and, where there is
    one, on the GPU."""
    on_gpu = ("cuda", "cuda-compiled") if torch.cuda.is_available() else ()
    return ("torch", "onnxruntime", *on_gpu)


def _torch(loaded: LoadedDetector, image: Tensor, device: str = "cpu") -> Run:
    return _step(_graph(loaded, device), image, device)


def _compiled(loaded: LoadedDetector, image: Tensor, device: str = "cpu") -> Run:
    # On a GPU the passes of one image wait for the launches of kernels: a graph has them all.
    mode = "reduce-overhead" if device != "cpu" else "default"
    step = _step(torch.compile(_graph(loaded, device), mode=mode, dynamic=False), image, device)
    try:
        step()
    except torch.OutOfMemoryError:
        raise
    except Exception as problem:  # compilers share no base of their errors
        text = " ".join(str(problem).split())[:200]
        raise ExportError(f"torch.compile: {text}") from None
    return step


def _graph(loaded: LoadedDetector, device: str) -> Graph:
    return channels_last(Graph(fuse_conv_bn(loaded.detector), "boxes").eval().to(device))


def _step(network: Callable[[Tensor], object], image: Tensor, device: str) -> Run:
    given = image.to(device).contiguous(memory_format=torch.channels_last)
    place = torch.device(device)

    @torch.inference_mode()
    def step() -> None:
        network(given)
        wait_for(place)

    return step


def _onnxruntime(loaded: LoadedDetector, image: Tensor) -> Run:
    run = runner(to_onnx(loaded, ExportConfig()).SerializeToString(), OUTPUT_NAMES["boxes"])
    return partial(run, image)


# Copies and activations are those of D0, EXTD-64 and DSFD-R152 as measured, rounded up.
register_model_engine("torch", ModelEngine(_torch))
register_model_engine("torch-compiled", ModelEngine(_compiled, copies=4))
register_model_engine(
    "onnxruntime",
    ModelEngine(
        _onnxruntime,
        copies=8,
        activations=0.75,
        needs=("onnx", "onnxruntime"),
        install="nasface[export]",
    ),
)
register_model_engine("cuda", ModelEngine(partial(_torch, device="cuda"), "cuda"))
register_model_engine(
    "cuda-compiled", ModelEngine(partial(_compiled, device="cuda"), "cuda", copies=4)
)

"""The copies of a network that detect: of torch, and of ONNX Runtime where that pays."""

from torch import Tensor, nn

from nasface.deploy.config import OPSETS, ExportConfig
from nasface.deploy.onnx_graph.recording import NotRecordableError
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import Detector
from nasface.device import use_one_thread_after_fork
from nasface.errors import ConfigError, MissingPackageError, RunError
from nasface.inference.onnx_runtime import ONNX_RUNTIME, OUTPUT_NAMES, Engine, OnnxDetector, runner
from nasface.nn.blocks import channels_last
from nasface.nn.fuse import fuse_conv_bn
from nasface.optional import require

ONNX_FROM = 20
"""From so many pictures on, ONNX Runtime saves more than it takes to make its copy: 0.28 s against
14 ms a picture of 1024 x 768 (docs/results/latency.md)."""

_BY_TORCH = "torch"


class DetectingCopies:
    """Copies of a network for inference, made on first use and kept until a weight changes.

    A change through ``parameter.data`` is not noticed. ``seen`` counts the pictures that went
    through them.
    """

    def __init__(self) -> None:
        self.seen = 0
        self._state: list[tuple[Tensor, int, int]] = []
        self._fused: nn.Module | None = None
        self._onnx: OnnxDetector | None = None
        self._refusal = ""

    def fused(self, module: Detector) -> nn.Module:
        """Return the copy that torch runs, with fused normalisations."""
        use_one_thread_after_fork()
        tensors = [*module.parameters(), *module.buffers()]
        state = [(each, each._version, each.data_ptr()) for each in tensors]
        if self._fused is None or not _is_same(state, self._state):
            self._fused, self._state = channels_last(fuse_conv_bn(module)), state
            self.seen, self._onnx, self._refusal = 0, None, ""
        return self._fused

    def chosen(
        self, module: Detector, config: DetectorConfig, engine: Engine, pictures: int
    ) -> tuple[nn.Module, str]:
        """Return the copy for an engine, and the name of the engine.

        ``pictures`` is how many will follow, by which auto chooses.

        Raises:
            ConfigError: for onnxruntime, if the network is not on the CPU or has operators that
                cannot be recorded. MissingPackageError: for onnxruntime, without it.
        """
        fused = self.fused(module)
        is_asked = engine == "onnxruntime"
        is_fit = all(each.is_cpu and each.dtype.itemsize >= 4 for each in module.parameters())
        if is_asked and not is_fit:
            raise ConfigError("engine: onnxruntime is for weights in float32 on the CPU")
        if not is_asked and (engine == "torch" or module.training or not is_fit):
            return fused, _BY_TORCH
        if not is_asked and (self.seen + pictures < ONNX_FROM or self._refusal):
            return fused, f"{_BY_TORCH} ({self._refusal or f'fewer than {ONNX_FROM} pictures'})"
        if self._onnx is None:
            try:
                self._onnx = _onnx_copy(fused, config)
            except (NotRecordableError, MissingPackageError, RunError) as problem:
                if is_asked and isinstance(problem, NotRecordableError):
                    raise ConfigError(f"engine: onnxruntime cannot run it: {problem}") from None
                if is_asked:
                    raise
                self._refusal = str(problem)
                return fused, f"{_BY_TORCH} ({problem})"
        return self._onnx, ONNX_RUNTIME


def _is_same(one: list[tuple[Tensor, int, int]], other: list[tuple[Tensor, int, int]]) -> bool:
    return len(one) == len(other) and all(
        new[0] is old[0] and new[1:] == old[1:] for new, old in zip(one, other, strict=True)
    )


def _onnx_copy(network: nn.Module, config: DetectorConfig) -> OnnxDetector:
    """Return the network in a session of ONNX Runtime, which takes images of any size."""
    require("nasface[export]", "onnx", "onnxruntime")
    from nasface.deploy.onnx import recorded_model  # takes a while

    form = ExportConfig(outputs="heads", opset=OPSETS[0])
    model = recorded_model(LoadedDetector(network, config, None, {}), form)
    run = runner(model.SerializeToString(), OUTPUT_NAMES["heads"])
    return OnnxDetector(run, "heads", config).eval()

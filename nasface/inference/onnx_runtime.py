"""Detectors from ONNX files, run by onnxruntime instead of torch."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from nasface.arch.io import parse_genotype
from nasface.detection.anchors import make_anchors
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.config import DetectorConfig
from nasface.errors import ConfigError, RunError
from nasface.io.yaml import parse_dataclass, parse_yaml
from nasface.optional import need
from nasface.structures import Candidates, Predictions

Outputs = Literal["heads", "predictions", "boxes", "detections"]
Engine = Literal["auto", "torch", "onnxruntime"]
"""What runs a network: auto is ONNX Runtime where it is installed and saves time, else torch."""

OUTPUT_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "heads": ("logits", "deltas"),
        "predictions": ("logits", "deltas", "anchors"),
        "boxes": ("boxes", "scores"),
        "detections": ("image", "boxes", "scores"),
    }
)
"""Names of the tensors that a graph gives."""

IMAGES = "images"
"""Name of the tensor that a graph takes."""

MAX_CALLERS = 8
"""Threads that call a detector at once; the network needs memory for the picture of each."""

ONNX_FORMAT = "nasface-onnx-1"
ONNX_RUNTIME = "ONNX Runtime"


class OnnxDetector(nn.Module):
    """A file as a detector: images (B, 3, H, W) -> :class:`Predictions` or :class:`Candidates`.

    Of a file with suppression, the candidates are what that leaves of each image. ``callers`` is
    how many threads may call it at once to good purpose.
    """

    def __init__(
        self,
        run: Callable[[Tensor], tuple[Tensor, ...]],
        outputs: str,
        config: DetectorConfig | None = None,
        only: tuple[int, ...] | None = None,
        runtime: str = ONNX_RUNTIME,
    ) -> None:
        """Keep what runs the file: ``config`` says which anchors belong to bare heads; ``only`` is
        the one shape taken, ``runtime`` the name of what runs it."""
        super().__init__()
        self.run = run
        self.outputs = outputs
        self.config = config
        self.only = only
        self.runtime = runtime
        self.suppressed = outputs == "detections"
        self.callers = 1

    def for_threads(self) -> "OnnxDetector":
        """Return it for calls from several threads at once, which finds many pictures sooner and
        one picture later; itself with another runtime, a GPU, or a single thread of torch."""
        threads = torch.get_num_threads()
        if threads == 1 or not isinstance(self.run, Session) or not self.run.is_on_cpu:
            return self
        run = self.run.for_threads()
        shared = OnnxDetector(run, self.outputs, self.config, self.only, self.runtime).eval()
        shared.callers = min(threads, MAX_CALLERS)
        return shared

    def forward(self, images_B3HW: Tensor) -> Predictions | Candidates:
        """See the class.

        Raises:
            ConfigError: for images of another shape than the file takes.
        """
        if self.only is not None and tuple(images_B3HW.shape) != self.only:
            batch, _, height, width = self.only
            raise ConfigError(
                f"images: {len(images_B3HW)} of {images_B3HW.shape[3]}x{images_B3HW.shape[2]}; the "
                f"file takes {batch} of {width}x{height} only, expected one exported without "
                "size"
            )
        if self.outputs == "heads" and self.config is not None:
            logits, deltas = self.run(images_B3HW)
            strides = [2**level for level in self.config.levels]
            sides = images_B3HW.shape[2:]
            sizes = [(-(-sides[0] // each), -(-sides[1] // each)) for each in strides]
            return Predictions(logits, deltas, make_anchors(sizes, strides, self.config.anchors))
        if self.outputs == "predictions":
            logits, deltas, anchors = self.run(images_B3HW)
            return Predictions(logits, deltas, anchors)
        if self.outputs == "boxes":
            return Candidates(*self.run(images_B3HW))
        image_N, boxes_N4, scores_N = self.run(images_B3HW)
        of_image = [image_N == at for at in range(len(images_B3HW))]
        return Candidates(
            pad_sequence([boxes_N4[each] for each in of_image], batch_first=True),
            # Where an image has fewer boxes than another, scores below any threshold.
            pad_sequence([scores_N[each] for each in of_image], batch_first=True, padding_value=-1),
        )


def load_onnx(path: Path, device: str | torch.device = "cpu") -> LoadedDetector:
    """Return the detector of an ONNX file that ``nasface export`` wrote.

    Runs where ``device`` says if onnxruntime has a provider for it, else on the CPU.

    Raises:
        MissingPackageError: without onnxruntime. RunError: naming the file, if it cannot be read
            or is no such detector.
    """
    try:
        model = path.read_bytes()
        session = open_session(model, device)
    except OSError as error:
        raise RunError(f"{path}: cannot read weights: {error.strerror}") from None
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
    try:
        about = session.get_modelmeta().custom_metadata_map
        inputs, outputs = session.get_inputs(), session.get_outputs()
    except UnicodeDecodeError:
        raise RunError(f"{path}: is damaged: a name or a note in it is no text") from None
    file = ExportedFile(
        path, about, inputs[0].name, tuple(each.name for each in outputs), tuple(inputs[0].shape)
    )
    return exported_detector(
        file, lambda names: Session(session, model, names, name=str(path)), ONNX_RUNTIME
    )


@dataclass(frozen=True)
class ExportedFile:
    """What a runtime tells of a file: its metadata, the names of its first input and of its
    outputs, and the input's shape, in which only integers are fixed."""

    path: Path
    about: Mapping[str, str]
    input: str
    outputs: tuple[str, ...]
    shape: tuple[object, ...]


def exported_detector(
    file: ExportedFile,
    opened: Callable[[tuple[str, ...]], Callable[[Tensor], tuple[Tensor, ...]]],
    runtime: str,
) -> LoadedDetector:
    """Return the detector of a file of ``nasface export``; ``opened`` gives what computes the
    outputs of these names from images, and ``runtime`` is the name of what does.

    Raises:
        RunError: naming the file, if it is no such detector.
    """
    path, about = file.path, file.about
    if about.get("format") != ONNX_FORMAT:
        raise RunError(
            f"{path}: format is {about.get('format')!r}, expected {ONNX_FORMAT!r} "
            "(a file written by nasface export)"
        )
    values = parse_yaml(about.get("config", ""), f"{path}: config", RunError)
    config = parse_dataclass(DetectorConfig, values, f"{path}: config", RunError)
    outputs = about.get("outputs", "")
    if outputs not in OUTPUT_NAMES:
        raise RunError(f"{path}: gives {outputs!a:.60}, expected one of {', '.join(OUTPUT_NAMES)}")
    wanted = OUTPUT_NAMES[outputs]
    if not set(file.outputs) >= set(wanted) or file.input != IMAGES:
        raise RunError(
            f"{path}: gives {', '.join(file.outputs)}; expected {', '.join(wanted)} of {IMAGES}"
        )
    sides = tuple(each for each in file.shape if isinstance(each, int))
    only = sides if len(sides) == len(file.shape) else None
    return LoadedDetector(
        OnnxDetector(opened(wanted), outputs, config, only, runtime).eval(),
        config,
        parse_genotype(about["genotype"], f"{path}: genotype") if "genotype" in about else None,
        _metrics(about.get("metrics", "{}"), path),
    )


def _metrics(text: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RunError(f"{path}: metrics are {text!a:.60}, expected a map as JSON")
    return found


@dataclass(frozen=True)
class Session:
    """A session of onnxruntime and its ``model`` as a function of tensors, which gives tensors on
    the CPU."""

    session: Any
    model: bytes = field(repr=False)
    outputs: tuple[str, ...]
    inputs: tuple[str, ...] = (IMAGES,)
    name: str = "ONNX model"

    @property
    def is_on_cpu(self) -> bool:
        """Whether the CPU computes all of it."""
        return bool(self.session.get_providers() == ["CPUExecutionProvider"])

    def for_threads(self) -> "Session":
        """Return another session of it whose own threads sleep while they have nothing to do, and
        leave the processor to those that call it."""
        return replace(self, session=open_session(self.model, may_spin=False))

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for these inputs.

        Raises:
            RunError: for inputs that the model does not take.
        """
        arrays = [each.detach().cpu().contiguous().numpy() for each in tensors]
        try:
            found = self.session.run(
                list(self.outputs), dict(zip(self.inputs, arrays, strict=True))
            )
        except Exception as problem:  # onnxruntime's errors share no public base
            reason = " ".join(str(problem).split())[:200]
            raise RunError(f"{self.name}: does not run: {reason!a}") from None
        return tuple(torch.from_numpy(each) for each in found)


def runner(model: bytes, outputs: Sequence[str], inputs: Sequence[str] = (IMAGES,)) -> Session:
    """Return a serialised model as a function of tensors on the CPU."""
    return Session(open_session(model), model, tuple(outputs), tuple(inputs))


def open_session(model: bytes, device: str | torch.device = "cpu", *, may_spin: bool = True) -> Any:
    """Return an onnxruntime session with as many threads as torch.

    They wait busily for the next layer, which is soonest while nothing else computes, unless they
    may not spin.

    Raises:
        MissingPackageError: without onnxruntime. RunError: for what is no model.
    """
    runtime = need("onnxruntime", "nasface[export]")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    if not may_spin:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    wanted = ["CPUExecutionProvider"]
    if torch.device(device).type == "cuda":
        wanted.insert(0, "CUDAExecutionProvider")
    there = [each for each in wanted if each in runtime.get_available_providers()]
    try:
        # Its second attempt, on the CPU again, would print the error among our output.
        return runtime.InferenceSession(
            model, options, providers=there, enable_fallback=len(there) > 1
        )
    except Exception as problem:  # onnxruntime's errors share no public base
        words = " ".join(str(problem).split())[:200]
        reason = "".join(each if each.isprintable() else "?" for each in words)
        raise RunError(f"no ONNX model: {reason}") from None

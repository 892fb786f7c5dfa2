"""Face detectors: one class to detect with, train, evaluate, save and export."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

import numpy as np
import torch
from torch import Tensor, nn

from nasface.api.detect_settings import check_score, inference_settings
from nasface.api.engines import DetectingCopies
from nasface.api.faces import Faces
from nasface.arch.genotype import Genotype
from nasface.detection.checkpoint import LoadedDetector, save_detector
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import Detector
from nasface.errors import ConfigError, RunError, check_choice, check_kind
from nasface.inference.onnx_runtime import ONNX_RUNTIME, Engine
from nasface.inference.pictures import (
    Picture,
    as_image,
    batches,
    check_tensor,
    each_picture,
    source_of,
)
from nasface.inference.predict import InferenceConfig, check_network, detect_batch
from nasface.io.files import as_path
from nasface.nn.blocks import channels_last
from nasface.structures import Candidates, Predictions

if TYPE_CHECKING:
    from nasface.annotations.records import ImageRecord
    from nasface.deploy.config import ExportConfig
    from nasface.deploy.parity import ParityDifference
    from nasface.engine.evaluate import Evaluation
    from nasface.progress import Progress


class FaceDetector(nn.Module):
    """A face detector: its network and its settings.

    ``module`` is the network: a :class:`~nasface.detection.detector.Detector` with ``trunk`` and
    ``neck``, which can be trained further, or the network of an ONNX file, which can only detect.
    ``genotype`` describes its cells; None for a hand-made neck. ``metrics`` are the figures that
    its file holds or its training measured, ``source`` is the file that it was loaded from. A call
    with normalised images (B, 3, H, W) returns :class:`Predictions`; an ONNX file may return
    :class:`Candidates` instead.
    """

    def __init__(
        self,
        module: nn.Module,
        config: DetectorConfig,
        genotype: Genotype | None = None,
        metrics: dict[str, Any] | None = None,
        source: Path | None = None,
    ) -> None:
        super().__init__()
        check_kind("module", module, nn.Module, "a torch.nn.Module")
        self.module = module
        self.config, self.genotype = config, genotype
        self.metrics: dict[str, Any] = metrics or {}
        self.source = source
        self.training = module.training
        self._copies = DetectingCopies()

    @property
    def name(self) -> str:
        """The name of its model, else of its genotype, else of its neck."""
        genotype = self.genotype.name if self.genotype else ""
        return str(self.metrics.get("model") or genotype or self.config.neck)

    @property
    def device(self) -> torch.device:
        """The device of its weights."""
        return next((each.device for each in self.parameters()), torch.device("cpu"))

    @property
    def trainable(self) -> Detector:
        """The network with weights that can be trained, saved and exported.

        Raises:
            ConfigError: for an ONNX file, or weights on the meta device.
        """
        module = self._detector()
        if self.device.type == "meta":
            raise ConfigError(
                "detector: its weights are on the meta device, which holds no values; expected "
                'detector.to_empty(device="cpu") and load_state_dict(...), or load_detector'
            )
        return module

    def _detector(self) -> Detector:
        if not isinstance(self.module, Detector):
            raise ConfigError(
                "detector: is of an ONNX file, which can detect and be evaluated; to train, save "
                "or export, expected one of .safetensors weights or of create_detector"
            )
        return self.module

    def forward(self, images_B3HW: Tensor) -> Predictions | Candidates:
        """See the class.

        Raises:
            ValueError: for what is no such tensor; pictures go to :meth:`detect`.
        """
        check_tensor(images_B3HW)
        found: Predictions | Candidates = self.module(images_B3HW)
        return found

    def train(self, mode: bool = True) -> Self:
        """See :class:`torch.nn.Module`.

        Raises:
            ConfigError: for an ONNX file, which cannot be trained. TypeError: for another mode
                than True and False.
        """
        if not isinstance(mode, bool):
            raise TypeError(
                f"train() sets the mode, True or False, got {type(mode).__name__}; "
                "nasface.train(detector, data) trains a detector"
            )
        if mode:
            self._detector()
        self._copies = DetectingCopies()
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Apply what ``to``, ``cuda``, ``half`` and the like do with every tensor.

        Raises:
            ConfigError: for an exported file, which its runtime has where it was loaded.
        """
        self._copies = DetectingCopies()
        if not isinstance(self.module, Detector):
            here = torch.zeros(1)
            moved = fn(here)
            if (moved.device, moved.dtype) != (here.device, here.dtype):
                raise ConfigError(
                    "detector: is of an exported file, which cannot be moved or change its type; "
                    "load_detector(file, device=...) says where it runs"
                )
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # as torch has it
        return self

    def network(self) -> nn.Module:
        """Return the network for inference: a copy in evaluation mode with fused normalisations.

        The copy is made on first use and kept until a weight changes. A change through
        ``parameter.data`` is not noticed; ``train()`` drops the copy. A network in evaluation mode
        that has forward hooks is returned itself.

        Raises:
            ConfigError: for weights on the meta device.
        """
        if not isinstance(self.module, Detector):
            return self.module
        return self.module if self._calls_hooks() else self._copies.fused(self.trainable)

    def _calls_hooks(self) -> bool:
        """Return whether the network is in evaluation mode and has hooks, which a copy would not
        call."""
        return not self.module.training and any(
            each._forward_hooks or each._forward_pre_hooks for each in self.module.modules()
        )

    def network_by(self, engine: Engine, pictures: int) -> tuple[nn.Module, str]:
        """Return the network for an engine, and the name of the engine.

        ``pictures`` is how many will follow. With auto, ONNX Runtime is used on the CPU once
        enough pictures, counting earlier ones, go through the same weights, if it is installed and
        supports the operators of the network.

        Raises:
            ConfigError: for an engine that cannot run it, or weights on the meta device.
                MissingPackageError: for onnxruntime, without it.
        """
        check_choice("engine", engine, get_args(Engine))
        if isinstance(self.module, Detector):
            if engine != "onnxruntime" and self._calls_hooks():
                return self.trainable, "torch (hooks)"
            return self._copies.chosen(self.trainable, self.config, engine, pictures)
        runtime = str(getattr(self.module, "runtime", ONNX_RUNTIME))
        if engine == "torch" or (engine == "onnxruntime" and runtime != ONNX_RUNTIME):
            raise ConfigError(f"engine: {engine} cannot run a file of {runtime}, expected auto")
        return self.module, runtime

    def __getstate__(self) -> dict[str, Any]:
        # A session of ONNX Runtime cannot be copied.
        return {**self.__dict__, "_copies": DetectingCopies()}

    def detect(
        self,
        pictures: Picture | Iterable[Picture],
        score_threshold: float = 0.5,
        *,
        inference: InferenceConfig | Mapping[str, Any] | None = None,
        batch_size: int = 8,
        engine: Engine = "auto",
    ) -> list[Faces]:
        """Find the faces of each picture, in order; boxes are ``x1 y1 x2 y2`` in its pixels.

        A picture is a path (its EXIF orientation is applied), an array (H, W, 3) or tensor
        (3, H, W) in RGB, uint8 or float in [0, 1], or a Pillow image, whose EXIF orientation is not
        applied; or an annotated image of a data set. Of an animation, or the pages of a TIFF, the
        first picture is taken. Images of OpenCV are BGR:
        ``image[:, :, ::-1]`` is RGB. A folder or a pattern such as ``"photos/*.jpg"`` stands for
        its images, sorted, an array (N, H, W, 3) or tensor (N, 3, H, W) for N pictures.

        Consecutive pictures of one size form a batch of at most ``batch_size``; no more are in
        memory at a time. Faces below ``score_threshold``, from 0 to 1, are left out. ``inference``
        sets the test-time scales and the suppression, as a map such as ``{"longer_side": 640}``, in
        which preset octaves holds unless it names another, or as a whole
        :class:`~nasface.inference.predict.InferenceConfig`. Boxes enter suppression from its own
        ``score_threshold`` on; by default that is 0.02, or the ``score_threshold`` given here where
        that is lower.

        ``engine`` runs the network: torch or onnxruntime. auto uses ONNX Runtime on the CPU, if it
        is installed, from the twentieth picture seen with the same weights. Boxes and scores of
        both engines agree up to rounding. Forward hooks on parts of ``module`` are called by
        torch: where there are any, auto uses it.

        Raises:
            DataError: for a file that cannot be read, or a folder without images. ValueError: for
                another kind of picture, a batch of none, or a threshold out of range. ConfigError:
                for an engine that cannot run it, weights on the meta device, or other settings.
                MissingPackageError: for onnxruntime, without it.
        """
        if not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number from 1, got {batch_size!r:.60}")
        check_score(score_threshold)
        inference = inference_settings(inference, score_threshold)
        check_network(self.module, inference)
        inference = inference.finding_from(score_threshold)
        several = ((each, as_image(each)) for each in each_picture(pictures))
        images = ((source_of(each), image) for each, image in several)
        found: list[Faces] = []
        known = len(pictures) if isinstance(pictures, list | tuple) else 0
        for batch in batches(images, batch_size):
            network, _ = self.network_by(engine, max(known - len(found), len(batch)))
            self._copies.seen += len(batch)
            results = detect_batch(network, [image for _, image in batch], inference)
            for (source, _), each in zip(batch, results, strict=True):
                kept = each.scores_N >= score_threshold
                found.append(Faces(each.boxes_N4[kept], each.scores_N[kept], source))
        return found

    def evaluate(
        self, dataset: "Sequence[ImageRecord] | str | Path", protocol: str = "ap", **options: Any
    ) -> "Evaluation":
        """Score it on annotated images; see :func:`nasface.evaluate`."""
        from nasface.api.evaluation import evaluate

        return evaluate(self, dataset, protocol, **options)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write weights, settings, genotype and metrics as a ``.safetensors`` file.

        Raises:
            ConfigError: for another suffix, or a detector of an ONNX file.
            RunError: if a file is there and not to be replaced.
            OutputError: if it cannot be written.
        """
        path = as_path(path, "path")
        if path.suffix.lower() != ".safetensors":
            raise ConfigError(f"{path}: expected a .safetensors file; other forms: export")
        if path.exists() and not overwrite:
            raise RunError(f"{path}: exists; expected a new file, or overwrite=True")
        save_detector(path, self.trainable, self.genotype, self.metrics)
        return path

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        runs: Sequence[str | Path] | str | Path = (),
        licence: str = "other",
    ) -> Path:
        """Write a new folder in the form of the Hugging Face Hub; :func:`load_detector` takes it.

        It holds ``model.safetensors``, a model card ``README.md`` and, where there is a genotype
        and the extra ``plots``, its drawing. The card is written from ``runs``, the folders of
        ``nasface train`` and ``nasface evaluate`` that the weights come from; by default from the
        one that they were loaded from. ``licence`` is the Hub's name of one, such as apache-2.0.

        Raises:
            RunError: if something is in the folder, or a run cannot be read.
            ConfigError: for a detector of an ONNX file.
        """
        from nasface.api.hub import save_pretrained

        return save_pretrained(self, folder, runs=runs, licence=licence)

    def push_to_hub(self, repository: str, **options: Any) -> str:
        """Publish it on the Hugging Face Hub as ``owner/name``; return its ``hf://`` address.

        ``runs`` and ``licence`` are those of :meth:`save_pretrained`; ``private``, ``token`` and
        ``message`` (of the commit) are the Hub's. The environment's ``HF_TOKEN`` and what ``hf auth
        login`` keeps stand for a token.

        Raises:
            RunError: if the Hub cannot be reached or refuses. ConfigError: for another form of
                name. MissingPackageError: without the extra ``hub``.
        """
        from nasface.api.hub import push_to_hub

        return push_to_hub(self, repository, **options)

    def export(
        self,
        path: str | Path,
        config: "ExportConfig | None" = None,
        *,
        to: str = "",
        overwrite: bool = False,
        progress: "bool | Progress | None" = None,
        **options: Any,
    ) -> "ParityDifference":
        """Write it in a form that runs without nasface; see :func:`nasface.export`."""
        from nasface.api.exporting import export

        return export(self, path, config, to=to, overwrite=overwrite, progress=progress, **options)

    def loaded(self) -> LoadedDetector:
        """Return a copy on the CPU in evaluation mode, as what writes and exports takes it.

        Raises:
            ConfigError: for a detector of an ONNX file.
        """
        module = channels_last(copy.deepcopy(self.trainable).eval().to("cpu"))
        return LoadedDetector(module, self.config, self.genotype, self.metrics)

    def __repr__(self) -> str:
        parts = [f"backbone {self.config.backbone}", f"neck {self.config.neck}"]
        if isinstance(self.module, Detector):
            parts.append(f"{sum(each.numel() for each in self.parameters()):,} parameters")
            parts.append(f"on {self.device}")
        else:
            parts.append("ONNX")
        figures = [
            f"{key} {value:.3f}" for key, value in self.metrics.items() if isinstance(value, float)
        ]
        return f"FaceDetector({', '.join([self.name, *parts, *figures])})"

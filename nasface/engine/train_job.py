"""A training of a detector under way: its state and its steps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nasface.annotations.records import ImageRecord
from nasface.arch.genotype import Genotype
from nasface.arch.io import save_genotype
from nasface.data.dataset import Batch
from nasface.detection.checkpoint import save_detector
from nasface.detection.detector import Detector
from nasface.detection.distillation import DistillationLoss
from nasface.detection.losses import DetectionLoss, LossParts
from nasface.engine.accumulate import GradientAccumulator
from nasface.engine.average import WeightAverage
from nasface.engine.evaluate import Evaluation, brief, evaluate_detector
from nasface.engine.job import Job, StepLoader
from nasface.engine.memory_estimate import Footprint, footprint
from nasface.engine.optim import LearningRateSchedule
from nasface.engine.setup import images_to_device, peak_memory_mb, targets_to_device
from nasface.inference.predict import InferenceConfig
from nasface.inference.teacher import Teacher
from nasface.io.strict_json import REASONS
from nasface.nn.moments import load_optimizer
from nasface.progress import Progress
from nasface.runs.folder import SUMMARY_FILE, Kind, RunFolder, read_metrics
from nasface.runs.metrics_log import MetricsLog

_NO_FACE = "no face to find on the validation images"


@dataclass(frozen=True)
class Validation:
    """Images to evaluate on every so many epochs, and how; those ``left_out`` cannot be read."""

    records: Sequence[ImageRecord]
    inference: InferenceConfig
    every: int
    left_out: Sequence[str] = ()


@dataclass(frozen=True)
class Teaching:
    """A teacher, the loss of what it finds, and the weight of this loss."""

    teacher: Teacher
    loss: DistillationLoss
    weight: float


@dataclass(kw_only=True, eq=False)
class TrainJob(Job):
    """The state of a training and its steps. :func:`nasface.engine.train.run_training` runs it.

    From step ``freeze_bn_at`` on, batch norm uses its running statistics; ``uses_bf16`` computes
    convolutions in bfloat16; ``labels`` are written into the metadata of weights.
    """

    kind: ClassVar[Kind] = "training"
    title: ClassVar[str] = "train"
    shown: ClassVar[tuple[str, ...]] = ("lr", "loss", "gradient_norm")
    artefacts: ClassVar[tuple[str, ...]] = ("best.safetensors", "last.safetensors", SUMMARY_FILE)

    model: Detector
    genotype: Genotype | None
    loader: StepLoader
    loss: DetectionLoss
    optimizer: torch.optim.Optimizer
    schedule: LearningRateSchedule
    accumulator: GradientAccumulator
    clip: float
    teaching: Teaching | None = None
    average: WeightAverage[Detector] | None = None
    validation: Validation | None = None
    uses_bf16: bool = False
    freeze_bn_at: float = math.inf
    labels: Mapping[str, str] = field(default_factory=dict)
    step: int = field(default=0, init=False)
    bn_is_frozen: bool = field(default=False, init=False)
    best: float | None = field(default=None, init=False)
    metrics: dict[str, Any] = field(default_factory=dict, init=False)
    evaluation: Evaluation | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.parameters = [each for each in self.model.parameters() if each.requires_grad]

    @property
    def released(self) -> Detector:
        """The detector that is evaluated and saved: the averaged one where there is one."""
        return self.model if self.average is None else self.average.averaged

    def begin(self) -> None:
        """Write the genotype."""
        if self.context.output is not None and self.genotype is not None:
            save_genotype(self.genotype, self.context.output.path / "genotype.yaml")

    def start(self, progress: Progress) -> None:
        """Begin to load the images of the steps that are left."""
        validation = self.validation
        if validation is not None and not any(each.valid_M.any() for each in validation.records):
            progress.note(
                f"no valid face on the {len(validation.records)} validation images: there will be "
                "no AP, and the last weights are the result"
            )
        self.batches = self.loader.batches(self.step, self.total, progress.note)

    def next_step(self) -> dict[str, float]:
        """Make :meth:`take_step` on the images that are due."""
        return self.take_step(next(self.batches))

    def take_step(self, batch: Batch) -> dict[str, float]:
        """Make one optimiser step; without effect if the loss or the gradient is not finite."""
        if not self.bn_is_frozen and self.step >= self.freeze_bn_at:
            self._freeze_bn()
        rate = self.schedule.apply(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        for micro_batch in self.accumulator(batch, self.parameters):
            self.accumulator.backward(self._loss(micro_batch))
        figures = self.accumulator.figures
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.clip))
        self.step += 1
        if math.isfinite(figures["loss"]) and math.isfinite(norm):
            self.optimizer.step()
            if self.average is not None:
                self.average.update(self.step)
        return {"lr": rate, **figures, "gradient_norm": norm}

    def _freeze_bn(self) -> None:
        """Normalise by running statistics, which stay as they are, from here on."""
        norms = [each for each in self.model.modules() if isinstance(each, nn.BatchNorm2d)]
        self.model.fixed = (*self.model.fixed, *norms)
        self.model.train()
        self.bn_is_frozen = True

    def _loss(self, batch: Batch) -> LossParts:
        device = self.context.device
        images, targets = images_to_device(batch[0], device), targets_to_device(batch[1], device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.uses_bf16):
            shots = self.model.forward_train(images, first_shot=self.loss.uses_first_shot)
        parts = self.loss(shots, targets)
        if self.teaching is None:
            return parts
        taught = self.teaching.loss(shots.second, self.teaching.teacher(images))
        return parts._replace(total=parts.total + self.teaching.weight * taught, teacher=taught)

    def end_epoch(self, progress: Progress, log: MetricsLog) -> None:
        """Evaluate where it is due; the processes share the images."""
        epoch = self.step // self.epoch_steps
        if self.validation is None:
            return
        if self.ended or epoch % self.validation.every == 0:
            ap = self._evaluate(self.validation, progress).ap
            reasons = {} if ap is not None else {"ap": _NO_FACE}
            log.write(self.step, {"ap": math.nan if ap is None else ap}, reasons)
            if ap is not None:
                progress.note(f"epoch {epoch}: AP {ap:.3f}")
            progress.start(self.title, self.total, self.step)

    def _evaluate(self, validation: Validation, progress: Progress) -> Evaluation:
        """Score the validation images, and keep the best weights."""
        evaluation = evaluate_detector(
            self.released,
            validation.records,
            validation.inference,
            progress,
            validation.left_out,
            world=self.context.world,
        )
        self.metrics, self.evaluation = evaluation.figures(), evaluation
        ap = self.metrics["ap"]
        if ap is not None and (self.best is None or ap > self.best):
            self.best = ap
            self._save_weights("best.safetensors")
        return evaluation

    def _save_weights(self, name: str) -> None:
        if self.context.output is not None:
            path = self.context.output.path / name
            save_detector(path, self.released, self.genotype, self.metadata())

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of saved weights: labels, step and the last evaluation."""
        return {**self.labels, "step": self.step, **brief(self.metrics)}

    def footprint(self) -> Footprint:
        """Return the memory of a step; half precision takes less."""

        def run(detector: Detector, images: Tensor) -> object:
            return detector.forward_train(images, first_shot=self.loss.uses_first_shot)

        return footprint(self.model, run, self.input_shape, self.context.device)

    def save(self) -> None:
        """Write the last weights and the checkpoint; the first process does."""
        # Before the checkpoint: a resumed run repeats what is newer than it, and nothing older.
        self._save_weights("last.safetensors")
        super().save()

    def drawn_genotype(self) -> Genotype | None:
        """See :class:`Job`."""
        return self.genotype

    def state(self) -> dict[str, Any]:
        """See :class:`Job`."""
        averaged = {} if self.average is None else {"average": self.average.averaged.state_dict()}
        return {
            "best": self.best,
            "figures": self.metrics,
            "optimizer": self.optimizer.state_dict(),
            **averaged,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """See :class:`Job`."""
        load_optimizer(self.optimizer, state["optimizer"])
        if self.average is not None:
            self.average.averaged.load_state_dict(state["average"])
        self.step, self.metrics = state["step"], state["figures"]
        # Version 0.1 wrote -1 where there was no best yet.
        self.best = None if state["best"] == -1 else state["best"]

    def write_results(self, folder: RunFolder) -> None:
        """Write the figures of a finished training."""
        if self.ended:
            folder.write_json(SUMMARY_FILE, self._summary(folder))

    def _summary(self, folder: RunFolder) -> dict[str, Any]:
        steps = [row["loss"] for row in read_metrics(folder.metrics) if "loss" in row]
        losses = [loss for loss in steps[-self.epoch_steps :] if loss is not None]
        reasons = dict(self.metrics.get(REASONS, {}))
        if self.best is None:
            reasons["best_ap"] = _NO_FACE
        if not losses:
            reasons["final_loss"] = "no step of the last epoch had a finite loss"
        return {
            **self.metrics,
            "best_ap": self.best if self.metrics else None,
            "steps": self.step,
            "skipped_steps": self.skips.total,
            "seconds": round(self.seconds, 1),
            "device": str(self.context.device),
            "peak_memory_mb": round(peak_memory_mb(self.context.device), 1),
            "final_loss": float(np.mean(losses)) if losses else None,
            **({REASONS: reasons} if reasons else {}),
        }

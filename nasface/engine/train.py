"""The training loop of the detector that a genotype describes."""

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype, save_genotype
from nasface.data.dataset import Batch, FaceDataset, check_batch
from nasface.data.loader import Batches
from nasface.data.widerface import read_wider_split
from nasface.detection.checkpoint import load_detector, save_detector
from nasface.detection.detector import Detector, build_detector
from nasface.detection.necks.registry import uses_genotype
from nasface.device import choose_device
from nasface.engine.accumulate import GradientAccumulator
from nasface.engine.config import TrainConfig
from nasface.engine.distributed.world import World, digest_of, join_world
from nasface.engine.evaluate import Evaluation, evaluate
from nasface.engine.guards import Skips, disk_explained
from nasface.engine.loop import run_loop
from nasface.engine.memory_estimate import Footprint, footprint
from nasface.engine.setup import (
    data_folder,
    detection_loss,
    images_to,
    make_optimizer,
    peak_memory_mb,
    prepare,
    read_training_images,
    set_rate,
    start_backbone,
    take_shots,
    to_device,
)
from nasface.errors import ConfigError
from nasface.progress import Progress
from nasface.runs.checkpoint import fitting, load_checkpoint
from nasface.runs.folder import RunFolder, read_metrics
from nasface.runs.metrics_log import MetricsLog


@dataclass(frozen=True)
class TrainResult:
    """How a training ended; ``finished`` is false if it was stopped and can be resumed.

    Of several processes, only the one that ``is_first`` has figures and wrote the folder.
    ``evaluation`` is the last one made since the training was started or resumed.
    """

    folder: Path
    figures: dict[str, Any]
    finished: bool
    is_first: bool = True
    evaluation: Evaluation | None = None


class Training:
    """The state of a training and its steps. :func:`run_training` drives it."""

    def __init__(
        self,
        config: TrainConfig,
        genotype: Genotype | None,
        folder: RunFolder,
        world: World | None = None,
    ) -> None:
        self.config, self.genotype, self.folder = config, genotype, folder
        self.world = world or World()
        self.world.check_parts(config.accumulate)
        self.device = self.world.device(choose_device(config.device))
        images = read_training_images(config)
        self.validation = read_wider_split(data_folder(config.data), "val")
        torch.manual_seed(config.seed)
        self.detector: Detector = build_detector(config.detector, genotype)
        start_backbone(self.detector, config)
        if config.start_weights:
            self.detector.load_state_dict(_start_weights(config, genotype))
        prepare(self.detector, self.device).train()
        self.parameters = [each for each in self.detector.parameters() if each.requires_grad]
        self.optimizer = make_optimizer(config.optimizer, self.parameters)
        buffers = list(self.detector.buffers())
        self.gradient = GradientAccumulator(
            self.world, config.accumulate, config.batch_size, buffers
        )
        self.average = copy.deepcopy(self.detector).eval() if config.ema_decay > 0 else None
        self.newest = _values_and_counters(self.detector)
        self.averaged = _values_and_counters(self.released)
        self.data = FaceDataset(images, config.augment, config.seed)
        self.batch = config.batch_size * config.accumulate
        check_batch(images, self.batch)
        self.epoch_steps = len(images) // self.batch
        self.total = self.epoch_steps * config.epochs
        self.step = 0
        self.statistics_held = False
        self.skips = Skips()
        self.seconds = 0.0
        self.best = -1.0
        self.figures: dict[str, Any] = {}
        self.evaluation: Evaluation | None = None

    @property
    def released(self) -> Detector:
        """The detector that is evaluated and saved: the averaged one where there is one."""
        return self.average or self.detector

    @property
    def ended(self) -> bool:
        """Whether all steps were taken."""
        return self.step >= self.total

    def start(self, progress: Progress) -> None:
        """Begin to load the images of the steps that are left."""
        self.batches = Batches(
            self.data,
            self.batch,
            self.step,
            self.total,
            self.config.workers,
            self.world.shard(self.config.accumulate),
            progress.note,
        )

    def next_step(self) -> dict[str, float]:
        """:meth:`take_step` on the images that are due."""
        return self.take_step(next(self.batches))

    def take_step(self, batch: Batch) -> dict[str, float]:
        """One optimiser step; without effect if the loss or the gradient is not finite."""
        if not self.statistics_held and self.step >= self.config.freeze_bn_after * self.total:
            self._hold_statistics()
        rate = self.config.optimizer.rate(self.step, self.total)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.gradient(self._loss, batch, self.parameters)
        clip = self.config.optimizer.clip
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, clip))
        self.step += 1
        if math.isfinite(loss) and math.isfinite(norm):
            self.optimizer.step()
            self._update_average()
        return {"rate": rate, "loss": loss, "gradient_norm": norm}

    def _hold_statistics(self) -> None:
        """From here on, normalise by running statistics, which stay as they are."""
        norms = [each for each in self.detector.modules() if isinstance(each, nn.BatchNorm2d)]
        self.detector.fixed = (*self.detector.fixed, *norms)
        self.detector.train()
        self.statistics_held = True

    def _loss(self, batch: Batch) -> Tensor:
        images, targets = batch
        half = self.config.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            inputs = images_to(images, self.device)
            first, second = take_shots(self.detector, self.config, inputs)
        return detection_loss(first, second, to_device(targets, self.device), self.config)

    @torch.no_grad()
    def _update_average(self) -> None:
        """Exponential moving average of the weights, short at first so as to forget the start."""
        if self.average is None:
            return
        keep = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        # Running statistics are averaged too: those of the newest weights do not fit old ones.
        (means, counters), (values, counts) = self.averaged, self.newest
        torch._foreach_lerp_(means, values, 1 - keep)
        torch._foreach_copy_(counters, counts)

    def end_epoch(self, progress: Progress, log: MetricsLog) -> None:
        """Evaluate where it is due; the first process does."""
        epoch = self.step // self.epoch_steps
        if self.world.is_first and (self.ended or epoch % self.config.evaluate_every == 0):
            ap = self.evaluate(progress).ap.ap
            log.write(self.step, {"ap": ap})
            progress.note(f"epoch {epoch}: AP {ap:.3f}")
            progress.start("train", self.total, self.step)

    def evaluate(self, progress: Progress) -> Evaluation:
        """Score on the validation part; keeps the best weights and the last."""
        evaluation = evaluate(self.released, self.validation, self.config.inference, progress)
        self.figures, self.evaluation = evaluation.figures(), evaluation
        if self.figures["ap"] > self.best:
            self.best = self.figures["ap"]
            self._save_weights("best.safetensors")
        return evaluation

    def _save_weights(self, name: str) -> None:
        model = {"model": self.config.model} if self.config.model else {}
        metrics = {**model, "step": self.step, **self.figures}
        save_detector(self.folder.path / name, self.released, self.genotype, metrics)

    def footprint(self) -> Footprint:
        """Memory of a step; half precision takes less."""

        def run(detector: Detector, images: Tensor) -> object:
            return take_shots(detector, self.config, images)

        return footprint(self.detector, run, self.config, self.device)

    def digest(self) -> str:
        """Of all weights."""
        return digest_of(self.detector.state_dict().values())

    def save(self) -> None:
        """Write the last weights and the checkpoint; the first process does."""
        if not self.world.is_first:
            return
        state = {
            "kind": "training",
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "figures": self.figures,
            "skips": self.skips.state(),
            "model": self.detector.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        if self.average is not None:
            state["average"] = self.average.state_dict()
        # Before the checkpoint: a resumed run repeats what is newer than it, and nothing older.
        self._save_weights("last.safetensors")
        self.folder.save_checkpoint(state)

    def load(self) -> None:
        """Go back to the checkpoint of the run folder; without one, to the start."""
        if self.folder.checkpoint.exists():
            with fitting(self.folder.checkpoint):
                self._load()
        if self.world.is_first:
            self.folder.rewind(self.step)

    def _load(self) -> None:
        state = load_checkpoint(self.folder.checkpoint, "training")
        self.detector.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.best, self.figures = state["best"], state["figures"]
        self.skips = Skips(**state.get("skips", {}))


def _values_and_counters(detector: Detector) -> tuple[list[Tensor], list[Tensor]]:
    """All weights and running statistics, and the counts of batches behind these."""
    state = [*detector.parameters(), *detector.buffers()]
    values = [each for each in state if each.is_floating_point()]
    return values, [each for each in state if not each.is_floating_point()]


def _start_weights(config: TrainConfig, genotype: Genotype | None) -> dict[str, Tensor]:
    """The weights to go on from.

    Raises:
        ConfigError: if they are of another detector or genotype.
    """
    path = Path(config.start_weights)
    start = load_detector(path)
    if start.config != config.detector:
        raise ConfigError(f"start_weights: {path} is of a detector with other settings")
    cells = [None if each is None else each.cells for each in (start.genotype, genotype)]
    if cells[0] != cells[1]:
        raise ConfigError(f"start_weights: {path} is of another genotype ({start.name})")
    return start.detector.state_dict()


def run_training(
    config: TrainConfig, out: Path, progress: Progress, *, resume: bool = False
) -> TrainResult:
    """Train, with checkpoints on the way; Ctrl-C ends it with a checkpoint.

    Writes into ``out``: config.yaml, genotype.yaml where there is one, metrics.jsonl,
    checkpoint.pt, best.safetensors, last.safetensors and, when finished, summary.json.

    Raises:
        NasfaceError: for settings, data or a run folder that cannot be used.
    """
    needs_genotype = uses_genotype(config.detector.neck)
    if needs_genotype and not config.genotype:
        raise ConfigError("genotype: is missing; expected a packaged name or a YAML file")
    if config.genotype and not needs_genotype and not config.model:
        raise ConfigError(
            f"genotype: {config.genotype} has no place in neck {config.detector.neck}"
        )
    folder = RunFolder(out)
    if resume:
        folder.check_same(config)
    held = out / "genotype.yaml"
    genotype = None
    if needs_genotype:
        genotype = load_genotype(held if resume and held.exists() else config.genotype)
    with join_world(config.device) as world:
        training = Training(config, genotype, folder, world)
        with disk_explained(out):
            if world.is_first and not resume:
                folder.create(config)
            if resume:
                training.load()
            if world.is_first and genotype is not None:
                save_genotype(genotype, held)
            with MetricsLog(folder if world.is_first else None, config.tensorboard) as log:
                finished = run_loop(training, "train", progress, log)
            if finished and world.is_first:
                folder.write_json("summary.json", _summary(training))
    return TrainResult(out, training.figures, finished, world.is_first, training.evaluation)


def _summary(training: Training) -> dict[str, Any]:
    rows = read_metrics(training.folder.metrics)[-training.epoch_steps :]
    losses = [row["loss"] for row in rows if row.get("loss") is not None]
    return {
        **training.figures,
        "best_ap": training.best,
        "steps": training.step,
        "skipped_steps": training.skips.total,
        "seconds": round(training.seconds, 1),
        "device": str(training.device),
        "peak_memory_mb": round(peak_memory_mb(training.device), 1),
        "final_loss": float(np.mean(losses)) if losses else None,
    }

"""The training loop of the detector that a genotype describes."""

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasface.data.annotations import read_wider_split
from nasface.data.dataset import Batch, FaceDataset, make_loader
from nasface.errors import ConfigError, RunError
from nasface.faces.detector import Detector, build_detector
from nasface.faces.enhancement import uses_genotype
from nasface.faces.pretrained import freeze, load_backbone_weights
from nasface.faces.weights import save_detector
from nasface.run.checkpoint import load_checkpoint, save_checkpoint
from nasface.run.config import TrainConfig
from nasface.run.distributed import World, join_world
from nasface.run.evaluate import Evaluation, evaluate
from nasface.run.folder import RunFolder, read_metrics
from nasface.run.job import (
    choose_device,
    data_folder,
    detection_loss,
    images_to,
    make_optimizer,
    peak_memory_mb,
    prepare,
    read_training_images,
    set_rate,
    take_shots,
    to_device,
)
from nasface.run.metrics import MetricsLog
from nasface.run.progress import Progress, stop_on_interrupt
from nasface.spec.genotype import Genotype
from nasface.spec.store import load_genotype, save_genotype

MOST_SKIPPED = 10
"""Steps in a row whose gradient may not be finite."""


@dataclass(frozen=True)
class TrainResult:
    """How a training ended; ``finished`` is false if it was stopped and can be resumed.

    Of several processes, only the one that ``is_first`` has figures and wrote the folder.
    """

    folder: Path
    figures: dict[str, Any]
    finished: bool
    is_first: bool = True


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
        if config.accumulate % self.world.size:
            raise ConfigError(
                f"accumulate: {config.accumulate} parts of a step cannot be shared by "
                f"{self.world.size} processes; expected a multiple of that"
            )
        self.device = choose_device(config.device)
        if self.device.type == "cuda" and self.world.size > 1:
            self.device = torch.device("cuda", self.world.local)
        images = read_training_images(config)
        self.validation = read_wider_split(data_folder(config.data), "val")
        torch.manual_seed(config.seed)
        self.detector: Detector = build_detector(config.detector, genotype)
        backbone = self.detector.frame.backbone
        if config.backbone_weights:
            load_backbone_weights(backbone, Path(config.backbone_weights))
        self.detector.fixed = tuple(freeze(backbone, config.freeze_stages, config.freeze_norms))
        prepare(self.detector, self.device).train()
        parameters = [each for each in self.detector.parameters() if each.requires_grad]
        self.optimizer = make_optimizer(config.optimizer, parameters)
        self.average = copy.deepcopy(self.detector).eval() if config.average > 0 else None
        self.data = FaceDataset(images, config.augment, config.seed)
        self.batch = config.batch * config.accumulate
        self.epoch_steps = len(images) // self.batch or 1
        self.total = self.epoch_steps * config.epochs
        self.step = 0
        self.skipped = 0
        self.seconds = 0.0
        self.best = -1.0
        self.figures: dict[str, Any] = {}

    @property
    def released(self) -> Detector:
        """The detector that is evaluated and saved: the averaged one where there is one."""
        return self.average or self.detector

    def take_step(self, batch: Batch, stop: bool = False) -> tuple[dict[str, float], bool]:
        """One optimiser step of all processes; without effect if the gradient is not finite.

        Returns the figures of the step, and whether any process was asked to ``stop``.
        """
        rate = self.config.optimizer.rate(self.step, self.total)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad(set_to_none=True)
        local = sum(self._add_gradient(part) for part in _parts(batch, self.config.batch))
        loss, stops = self.world.sum_gradients(
            self.detector.parameters(), self.detector.buffers(), (local, float(stop))
        )
        norm = torch.nn.utils.clip_grad_norm_(
            self.detector.parameters(), self.config.optimizer.clip
        )
        self._check(float(norm))
        if math.isfinite(norm):
            self.optimizer.step()
        self.step += 1
        self._update_average()
        return {"rate": rate, "loss": loss, "gradient_norm": float(norm)}, stops > 0

    def _check(self, norm: float) -> None:
        """Let single steps without a finite gradient go by, as half precision has them at times.

        Raises:
            RunError: if there are too many of them in a row.
        """
        self.skipped = 0 if math.isfinite(norm) else self.skipped + 1
        if self.skipped > MOST_SKIPPED:
            raise RunError(
                f"the gradient was not finite in {self.skipped} steps in a row, up to step "
                f"{self.step}; the last checkpoint is kept, try a lower optimizer.lr"
            )

    def _add_gradient(self, batch: Batch) -> float:
        """Add the gradient of a part of a step's images; returns its share of the loss."""
        images, targets = batch
        half = self.config.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            inputs = images_to(images, self.device)
            first, second = take_shots(self.detector, self.config, inputs)
        loss = detection_loss(first, second, to_device(targets, self.device), self.config)
        if not torch.isfinite(loss):
            raise RunError(
                f"loss became {float(loss.detach())} at step {self.step}; the last checkpoint is "
                "kept, try a lower optimizer.lr"
            )
        share = loss / self.config.accumulate
        share.backward()
        return float(share.detach())

    @torch.no_grad()
    def _update_average(self) -> None:
        """Exponential moving average of the weights, short at first so as to forget the start."""
        if self.average is None:
            return
        keep = min(self.config.average, (1 + self.step) / (10 + self.step))
        state = self.detector.state_dict()
        for name, mean in self.average.state_dict().items():
            # Running statistics are averaged too: those of the newest weights do not fit old ones.
            if mean.is_floating_point():
                mean.lerp_(state[name], 1 - keep)
            else:
                mean.copy_(state[name])

    def evaluate(self, progress: Progress) -> Evaluation:
        """Score on the validation part; keeps the best weights and the last."""
        evaluation = evaluate(self.released, self.validation, self.config.test, progress)
        self.figures = evaluation.figures()
        if self.figures["ap"] > self.best:
            self.best = self.figures["ap"]
            self._save_weights("best.safetensors")
        return evaluation

    def _save_weights(self, name: str) -> None:
        model = {"model": self.config.model} if self.config.model else {}
        metrics = {**model, "step": self.step, **self.figures}
        save_detector(self.folder.path / name, self.released, self.genotype, metrics)

    def save(self) -> None:
        """Write the checkpoint and the last weights."""
        state = {
            "kind": "training",
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "figures": self.figures,
            "model": self.detector.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        if self.average is not None:
            state["average"] = self.average.state_dict()
        save_checkpoint(self.folder.checkpoint, state)
        self._save_weights("last.safetensors")

    def load(self) -> None:
        """Go back to the checkpoint of the run folder."""
        state = load_checkpoint(self.folder.checkpoint, "training")
        self.detector.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.best, self.figures = state["best"], state["figures"]
        if self.world.is_first:
            self.folder.rewind(self.step)


def run_training(
    config: TrainConfig, out: Path, progress: Progress, *, resume: bool = False
) -> TrainResult:
    """Train, with checkpoints on the way; Ctrl-C ends it with a checkpoint.

    Writes into ``out``: config.yaml, genotype.yaml where there is one, metrics.jsonl,
    checkpoint.pt, best.safetensors, last.safetensors and, when finished, summary.json.

    Raises:
        NasfaceError: for settings, data or a run folder that cannot be used.
    """
    needs_genotype = uses_genotype(config.detector.module)
    if needs_genotype and not config.genotype:
        raise ConfigError("genotype: is missing; expected a packaged name or a YAML file")
    if config.genotype and not needs_genotype and not config.model:
        raise ConfigError(
            f"genotype: {config.genotype} has no place in module {config.detector.module}"
        )
    folder = RunFolder(out)
    if resume:
        folder.check_same(config)
    genotype = None
    if needs_genotype:
        genotype = load_genotype(out / "genotype.yaml" if resume else config.genotype)
    with join_world(config.device) as world:
        training = Training(config, genotype, folder, world)
        if resume:
            training.load()
        elif world.is_first:
            folder.create(config)
            if genotype is not None:
                save_genotype(genotype, out / "genotype.yaml")
        if world.is_first:
            with MetricsLog(folder, tensorboard=config.tensorboard) as log:
                finished = _train(training, progress, log)
        else:
            finished = _follow(training)
    return TrainResult(out, training.figures, finished, world.is_first)


def _batches(training: Training) -> Iterator[Batch]:
    """This process's images of the steps that are left."""
    config, world = training.config, training.world
    share = (world.rank, world.size, config.accumulate)
    first, last = training.step, training.total
    return iter(make_loader(training.data, training.batch, first, last, config.workers, share))


def _follow(training: Training) -> bool:
    """Take part in the steps of the first process; whether all were taken."""
    batches, stopped = _batches(training), False
    with stop_on_interrupt() as stop:
        while training.step < training.total and not stopped:
            _, stopped = training.take_step(next(batches), stop.asked)
    return training.step == training.total


def _train(training: Training, progress: Progress, log: MetricsLog) -> bool:
    """Take the steps that are left, with evaluations and checkpoints; whether all were taken."""
    config, batches = training.config, _batches(training)
    progress.start("train", training.total, training.step)
    started = saved = time.monotonic()
    stopped = False
    with stop_on_interrupt() as stop:
        while training.step < training.total and not stopped:
            row, stopped = training.take_step(next(batches), stop.asked)
            now = time.monotonic()
            training.seconds, started = training.seconds + now - started, now
            log.write(training.step, row)
            progress.advance(row)
            stopped = stopped or (training.world.size == 1 and stop.asked)
            epoch, within = divmod(training.step, training.epoch_steps)
            last = training.step == training.total
            if within == 0 and (last or epoch % config.evaluate_every == 0):
                ap = training.evaluate(progress).ap.ap
                log.write(training.step, {"ap": ap})
                progress.note(f"epoch {epoch}: AP {ap:.3f}")
                progress.start("train", training.total, training.step)
            if within == 0 or now - saved > 60 * config.checkpoint_minutes:
                training.save()
                saved = time.monotonic()
    finished = training.step == training.total
    training.save()
    if finished:
        training.folder.write_json("summary.json", _summary(training))
    return finished


def _parts(batch: Batch, size: int) -> Iterator[Batch]:
    """The images and targets of a step, ``size`` at a time."""
    images, targets = batch
    for at in range(0, len(images), size):
        yield images[at : at + size], targets[at : at + size]


def _summary(training: Training) -> dict[str, Any]:
    rows = read_metrics(training.folder.metrics)[-training.epoch_steps :]
    losses = [row["loss"] for row in rows if "loss" in row]
    return {
        **training.figures,
        "best_ap": training.best,
        "steps": training.step,
        "seconds": round(training.seconds, 1),
        "device": str(training.device),
        "peak_memory_mb": round(peak_memory_mb(training.device), 1),
        "final_loss": float(np.mean(losses)) if losses else None,
    }

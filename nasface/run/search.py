"""The search loop: weights on one half of the training images, choices on the other."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import nasface
from nasface.data.annotations import split_halves
from nasface.data.dataset import Batch, FaceDataset, make_loader
from nasface.errors import RunError
from nasface.faces.detector import SearchableDetector, build_searchable
from nasface.run.checkpoint import load_checkpoint, save_checkpoint
from nasface.run.config import SearchConfig
from nasface.run.folder import RunFolder
from nasface.run.history import history_entry, save_history
from nasface.run.job import (
    choose_device,
    detection_loss,
    images_to,
    make_optimizer,
    peak_memory_mb,
    prepare,
    read_training_images,
    set_rate,
    to_device,
)
from nasface.run.progress import Progress, stop_on_interrupt
from nasface.search.bilevel import choice_step, weight_step
from nasface.search.choice import FloatArray
from nasface.search.derive import derive
from nasface.search.policy import ArgmaxPath, GumbelPath, Policy, Softmax, UniformPath
from nasface.search.visits import Visits, choice_report
from nasface.spec.genotype import Genotype, Provenance, cascade
from nasface.spec.store import config_digest, load_genotype, load_search_space, save_genotype


@dataclass(frozen=True)
class SearchResult:
    """How a search ended; ``finished`` is false if it was stopped and can be resumed."""

    folder: Path
    genotype: Genotype
    finished: bool


def policy_at(config: SearchConfig, step: int, warmup: int, total: int) -> Policy:
    """The policy of a weight or choice step.

    While the choice weights are frozen, path policies visit all candidates in turn, so that none is
    later compared before it was trained.
    """
    if config.policy == "softmax":
        return Softmax()
    if step < warmup or config.policy == "uniform":
        return UniformPath()
    if config.policy == "gumbel":
        return GumbelPath(config.temperature, config.probes)
    share = (step - warmup) / max(1, total - warmup)
    return ArgmaxPath(config.noise * max(0.0, 1 - share / config.noise_until), config.probes)


class Search:
    """The state of a search and its steps. :func:`run_search` drives it."""

    def __init__(self, config: SearchConfig, folder: RunFolder) -> None:
        self.config, self.folder = config, folder
        self.device = choose_device(config.device)
        self.space = load_search_space(config.space, config.parameters)
        self.before = None if config.before is None else load_genotype(config.before)
        weight_images, choice_images = split_halves(read_training_images(config), config.seed)
        torch.manual_seed(config.seed)
        self.model: SearchableDetector = build_searchable(config.detector, self.space, self.before)
        prepare(self.model, self.device).train()
        self.weights = self.model.weights()
        self.choices = list(self.model.enhancement.choices.parameters())
        self.weight_optimizer = make_optimizer(config.optimizer, self.weights)
        self.choice_optimizer = torch.optim.Adam(
            self.choices,
            lr=config.choice_lr,
            betas=(0.5, 0.999),
            weight_decay=config.choice_weight_decay,
        )
        self.visits = Visits(self.model.enhancement.choices.tables)
        self.data = [
            FaceDataset(images, config.augment, config.seed + at)
            for at, images in enumerate((weight_images, choice_images))
        ]
        self.epoch_steps = len(choice_images) // config.batch or 1
        self.total = self.epoch_steps * config.epochs
        self.warmup = self.epoch_steps * config.warmup_epochs
        self.step = 0
        self.seconds = 0.0
        self.history: list[dict[str, Any]] = []

    def take_step(self, weight_batch: Batch, choice_batch: Batch | None) -> dict[str, float]:
        """One choice step (after the warm-up), then one weight step; returns their losses."""
        rate = self.config.optimizer.rate(self.step, self.total)
        set_rate(self.weight_optimizer, rate)
        policy = policy_at(self.config, self.step, self.warmup, self.total)
        row = {"rate": rate}
        if choice_batch is not None:
            row["choice_loss"] = choice_step(
                lambda: self._choice_loss(choice_batch, policy), self.choice_optimizer, self.weights
            )
        row["weight_loss"] = weight_step(
            lambda: self._weight_loss(weight_batch, policy),
            self.weight_optimizer,
            self.choices,
            self.config.optimizer.clip,
        )
        for name, value in row.items():
            if not np.isfinite(value):
                raise RunError(
                    f"{name} became {value} at step {self.step}; the last checkpoint is kept, "
                    "try a lower optimizer.lr"
                )
        self.step += 1
        return row

    def _weight_loss(self, batch: Batch, policy: Policy) -> Tensor:
        images, targets = self._on_device(batch)
        mixture = self.model.enhancement.choices.mixture(
            policy, seed=self.config.seed, step=self.step
        )
        self.visits.add(mixture)
        first, second = self.model.both_shots(images, mixture)
        return detection_loss(first, second, targets, self.config)

    def _choice_loss(self, batch: Batch, policy: Policy) -> Tensor:
        # The first shot sees no choice, so a choice step leaves it out.
        images, targets = self._on_device(batch)
        mixture = self.model.enhancement.choices.mixture(
            policy, seed=self.config.seed + 1, step=self.step
        )
        return detection_loss(None, self.model(images, mixture), targets, self.config)

    def _on_device(self, batch: Batch) -> tuple[Tensor, Any]:
        images, targets = batch
        return images_to(images, self.device), to_device(targets, self.device)

    def choice_arrays(self) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """Copies of the choice weights as arrays: alphas and betas by cell."""
        choices = self.model.enhancement.choices
        alphas = {
            cell: value.detach().cpu().numpy().copy() for cell, value in choices.alpha.items()
        }
        betas = {cell: value.detach().cpu().numpy().copy() for cell, value in choices.beta.items()}
        return alphas, betas

    def genotype(self) -> Genotype:
        """What the current choice weights stand for, behind the cells of ``before``."""
        alphas, betas = self.choice_arrays()
        provenance = Provenance(
            nasface=nasface.__version__,
            seed=self.config.seed,
            step=self.step,
            policy=self.config.policy,
            config=config_digest(self.config),
        )
        found = derive(
            self.space,
            alphas,
            betas or None,
            name=self.folder.path.resolve().name,
            provenance=provenance,
        )
        return found if self.before is None else cascade(self.before, found)

    def end_epoch(self, epoch: int) -> None:
        """Write what a look at a running search wants: genotype, history, report."""
        save_genotype(self.genotype(), self.folder.path / "genotype.yaml")
        alphas, betas = self.choice_arrays()
        self.history.append(history_entry(epoch, self.step, alphas, betas))
        rows = [asdict(row) for row in choice_report(self.visits, alphas, betas)]
        self.folder.write_json("choices.json", rows)

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self.folder.checkpoint,
            {
                "kind": "search",
                "space_digest": self.space.digest,
                "step": self.step,
                "seconds": self.seconds,
                "model": self.model.state_dict(),
                "weight_optimizer": self.weight_optimizer.state_dict(),
                "choice_optimizer": self.choice_optimizer.state_dict(),
                "visits": self.visits.state(),
                "history": self.history,
            },
        )

    def load(self) -> None:
        """Go back to the checkpoint of the run folder.

        Raises:
            RunError: if there is none or the space has changed since.
        """
        state = load_checkpoint(self.folder.checkpoint, "search")
        if state["space_digest"] != self.space.digest:
            raise RunError(
                f"{self.folder.checkpoint}: was made with another version of space "
                f"{self.space.name} ({state['space_digest']}, now {self.space.digest})"
            )
        self.model.load_state_dict(state["model"])
        self.weight_optimizer.load_state_dict(state["weight_optimizer"])
        self.choice_optimizer.load_state_dict(state["choice_optimizer"])
        self.visits.load(state["visits"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.history = state["history"]
        self.folder.rewind(self.step)


def run_search(
    config: SearchConfig, out: Path, progress: Progress, *, resume: bool = False
) -> SearchResult:
    """Search, with checkpoints on the way; Ctrl-C ends it with a checkpoint.

    Writes into ``out``: config.yaml, metrics.jsonl, checkpoint.pt, genotype.yaml, choices.json (a
    row per choice: entropy, margin, visits), choices.npz (the history of the choice weights) and,
    when finished, summary.json.

    Raises:
        NasfaceError: for settings, data or a run folder that cannot be used.
    """
    folder = RunFolder(out)
    if resume:
        folder.check_same(config)
    search = Search(config, folder)
    if resume:
        search.load()
    else:
        folder.create(config)
    progress.start(f"search {search.space.name}", search.total, search.step)
    loaders = [
        iter(make_loader(data, config.batch, first, search.total, config.workers))
        for data, first in zip(
            search.data, (search.step, max(search.step, search.warmup)), strict=True
        )
    ]
    started = saved = time.monotonic()
    with stop_on_interrupt() as stop:
        while search.step < search.total and not stop.asked:
            choice_batch = next(loaders[1]) if search.step >= search.warmup else None
            row = search.take_step(next(loaders[0]), choice_batch)
            now = time.monotonic()
            search.seconds, started = search.seconds + now - started, now
            folder.append({"step": search.step, **row})
            progress.advance(row)
            if search.step == search.warmup:
                _note_coverage(search, progress)
            if search.step % search.epoch_steps == 0:
                search.end_epoch(search.step // search.epoch_steps)
            if (
                search.step % search.epoch_steps == 0
                or now - saved > 60 * config.checkpoint_minutes
            ):
                search.save()
                saved = time.monotonic()
    search.save()
    save_genotype(search.genotype(), out / "genotype.yaml")
    save_history(out / "choices.npz", search.history)
    finished = search.step >= search.total
    if finished:
        folder.write_json("summary.json", _summary(search))
    return SearchResult(out, search.genotype(), finished)


def _note_coverage(search: Search, progress: Progress) -> None:
    total, missed = search.visits.candidates(), search.visits.unvisited()
    progress.note(f"warm-up over: {total - missed} of {total} candidates visited")


def _summary(search: Search) -> dict[str, Any]:
    return {
        "space": search.space.name,
        "steps": search.step,
        "seconds": round(search.seconds, 1),
        "device": str(search.device),
        "peak_memory_mb": round(peak_memory_mb(search.device), 1),
        "candidates": search.visits.candidates(),
        "unvisited": search.visits.unvisited(),
        "nasface": nasface.__version__,
        "torch": torch.__version__,
    }

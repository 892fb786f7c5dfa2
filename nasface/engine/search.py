"""The search loop: weights on one half of the training images, choices on the other."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import nasface
from nasface.arch.genotype import Genotype, Provenance, cascade
from nasface.arch.io import load_genotype, load_search_space, save_genotype
from nasface.data.dataset import Batch, FaceDataset, check_batch
from nasface.data.loader import Batches
from nasface.data.widerface import split_halves
from nasface.detection.cost import detector_cost_penalty
from nasface.detection.searchable import SearchableDetector, build_searchable
from nasface.device import choose_device
from nasface.engine.accumulate import GradientAccumulator
from nasface.engine.arch_history import entry_arrays, history_entry, save_history
from nasface.engine.config import SearchConfig
from nasface.engine.distributed.world import World, digest_of, join_world
from nasface.engine.guards import Skips, disk_explained
from nasface.engine.loop import run_loop
from nasface.engine.memory_estimate import Footprint, footprint
from nasface.engine.setup import (
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
from nasface.errors import RunError
from nasface.io.yaml import config_digest
from nasface.progress import Progress
from nasface.runs.checkpoint import fitting, load_checkpoint
from nasface.runs.folder import RunFolder
from nasface.runs.metrics_log import MetricsLog
from nasface.search.config import policy_at
from nasface.search.cost_penalty import CostPenalty
from nasface.search.derive import derive
from nasface.search.policy import Mixture
from nasface.search.searcher import BilevelSearcher, Losses, Schedule


@dataclass(frozen=True)
class SearchResult:
    """How a search ended; ``finished`` is false if it was stopped and can be resumed.

    Of several processes, only the one that ``is_first`` wrote the folder.
    """

    folder: Path
    genotype: Genotype
    finished: bool
    is_first: bool = True


class Search:
    """A bilevel searcher on a face detector, with its data and its run folder. :func:`run_search`
    drives it."""

    def __init__(self, config: SearchConfig, folder: RunFolder, world: World | None = None) -> None:
        self.config, self.folder = config, folder
        self.world = world or World()
        self.world.check_parts(config.accumulate)
        self.device = self.world.device(choose_device(config.device))
        self.space = load_search_space(config.space, config.parameters)
        self.before = (
            None if config.prefix_genotype is None else load_genotype(config.prefix_genotype)
        )
        weight_images, arch_images = split_halves(read_training_images(config), config.seed)
        check_batch(arch_images, config.batch_size * config.accumulate)
        torch.manual_seed(config.seed)
        self.model: SearchableDetector = build_searchable(config.detector, self.space, self.before)
        start_backbone(self.model, config)
        prepare(self.model, self.device).train()
        self.data = [
            FaceDataset(images, config.augment, config.seed + at)
            for at, images in enumerate((weight_images, arch_images))
        ]
        self.batch = config.batch_size * config.accumulate
        self.epoch_steps = len(arch_images) // self.batch
        schedule = Schedule(
            self.epoch_steps * config.warmup_epochs, self.epoch_steps * config.epochs
        )
        weights = [each for each in self.model.weights() if each.requires_grad]
        self.searcher: BilevelSearcher[Batch] = BilevelSearcher(
            self.space,
            self.model.neck.arch_parameters,
            weights,
            make_optimizer(config.optimizer, weights),
            Losses(self._weight_loss, self._arch_loss),
            config,
            schedule,
            seed=config.seed,
            clip=config.optimizer.clip,
            cost_penalty=self._cost_penalty(),
            differentiate=GradientAccumulator(
                self.world,
                config.accumulate,
                config.batch_size,
                list(self.model.buffers()),
                lambda: digest_of(self.searcher.executed()),
            ),
        )
        self.skips = Skips()
        self.total = schedule.total
        self.seconds = 0.0
        self.history: list[dict[str, Any]] = []
        #: the epoch whose genotype is the result, where the search was ended by
        #: ``max_skip_connections``
        self.result_epoch: int | None = None

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.searcher.step

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        return self.step >= self.total or self.result_epoch is not None

    def start(self, progress: Progress) -> None:
        """Begin to load the images of the steps that are left."""
        self.progress = progress
        firsts = (self.step, max(self.step, self.searcher.schedule.warmup))
        workers, shard = self.config.workers, self.world.shard(self.config.accumulate)
        self.batches: list[Batches] = [
            Batches(data, self.batch, first, self.total, workers, shard, progress.note)
            for data, first in zip(self.data, firsts, strict=True)
        ]

    def next_step(self) -> dict[str, float]:
        """:meth:`take_step` on the images that are due."""
        arch_batch = next(self.batches[1]) if self.searcher.warm else None
        row = self.take_step(next(self.batches[0]), arch_batch)
        if self.step == self.searcher.schedule.warmup and self.world.is_first:
            total, missed = self.searcher.coverage.candidates(), self.searcher.coverage.unvisited()
            self.progress.note(f"warm-up over: {total - missed} of {total} candidates visited")
        return row

    def take_step(self, weight_batch: Batch, arch_batch: Batch | None) -> dict[str, float]:
        """One architecture step (after the warm-up), then one weight step; returns their losses,
        nan where a step could not be made."""
        rate = self.config.optimizer.rate(self.step, self.total)
        set_rate(self.searcher.optimizer, rate)
        return {"rate": rate, **self.searcher.take_step(weight_batch, arch_batch)}

    def _weight_loss(self, batch: Batch, mixture: Mixture) -> Tensor:
        images, targets = self._on_device(batch)
        first, second = take_shots(self.model, self.config, images, mixture)
        return detection_loss(first, second, targets, self.config)

    def _arch_loss(self, batch: Batch, mixture: Mixture) -> Tensor:
        # The first shot sees no choice, so a architecture step leaves it out.
        images, targets = self._on_device(batch)
        return detection_loss(None, self.model(images, mixture), targets, self.config)

    def _on_device(self, batch: Batch) -> tuple[Tensor, Any]:
        images, targets = batch
        return images_to(images, self.device), to_device(targets, self.device)

    def _cost_penalty(self) -> CostPenalty | None:
        config = self.config
        if not config.cost_penalty.weight:
            return None
        width, height = config.cost_penalty_size
        measure = config.cost_penalty.measure
        return detector_cost_penalty(
            config.detector, self.space, (height, width), measure, self.before
        )

    def genotype(self) -> Genotype:
        """What the architecture parameters stand for, behind the cells of ``before``."""
        entry = None if self.result_epoch is None else self.history[self.result_epoch - 1]
        alphas, betas = self.searcher.arrays() if entry is None else entry_arrays(entry)
        provenance = Provenance(
            nasface=nasface.__version__,
            seed=self.config.seed,
            step=self.searcher.step if entry is None else entry["step"],
            policy=self.config.policy,
            config=config_digest(self.config),
        )
        name = self.folder.path.resolve().name
        found = derive(self.space, alphas, betas or None, name=name, provenance=provenance)
        return found if self.before is None else cascade(self.before, found)

    def end_epoch(self, progress: Progress, _log: MetricsLog) -> None:
        """Write what a look at a running search wants: genotype, history, report."""
        epoch = self.step // self.epoch_steps
        alphas, betas = self.searcher.arrays()
        self.history.append(history_entry(epoch, self.step, alphas, betas))
        cell = self.searcher.too_many_skips(self.searcher.genotype("now"))
        if cell is not None:
            self.result_epoch = max(1, epoch - 1)
            learnt = self.result_epoch * self.epoch_steps > self.searcher.schedule.warmup
            progress.note(
                f"stopped: cell {cell} would have more than {self.config.max_skip_connections} "
                f"skip connections; the result is the genotype of epoch {self.result_epoch}"
                + ("" if learnt else ", from before the choices were learnt")
            )
        if not self.world.is_first:
            return
        save_genotype(self.genotype(), self.folder.path / "genotype.yaml")
        self.folder.write_json("decisions.json", [asdict(row) for row in self.searcher.report()])

    def footprint(self) -> Footprint:
        """Memory of a weight step under the policy that comes after the warm-up."""
        searcher, at = self.searcher, self.searcher.schedule
        policy = policy_at(self.config, at.warmup, at.warmup, at.total)
        with torch.no_grad():
            mixture = searcher.arch_parameters.mixture(
                policy, seed=self.config.seed, step=at.warmup
            )

        def run(model: SearchableDetector, images: Tensor) -> object:
            return take_shots(model, self.config, images, mixture)

        return footprint(self.model, run, self.config, self.device)

    def digest(self) -> str:
        """Of all weights."""
        return digest_of(self.model.state_dict().values())

    def save(self) -> None:
        """Write the checkpoint; the first process does."""
        if not self.world.is_first:
            return
        self.folder.save_checkpoint(
            {
                "kind": "search",
                "space_digest": self.space.digest,
                "seconds": self.seconds,
                "model": self.model.state_dict(),
                "history": self.history,
                "result_epoch": self.result_epoch,
                "skips": self.skips.state(),
                **self.searcher.state(),
            },
        )

    def load(self) -> None:
        """Go back to the checkpoint of the run folder; without one, to the start.

        Raises:
            RunError: if the space has changed since.
        """
        if self.folder.checkpoint.exists():
            with fitting(self.folder.checkpoint):
                self._load()
        if self.world.is_first:
            self.folder.rewind(self.step)

    def load_weights(self) -> None:
        """Take weights and architecture parameters from the checkpoint, and leave the run as it is.

        Raises:
            RunError: if there is none or the space has changed since.
        """
        with fitting(self.folder.checkpoint):
            self.model.load_state_dict(self._state()["model"])

    def _load(self) -> None:
        state = self._state()
        self.model.load_state_dict(state["model"])
        self.searcher.load(state)
        self.seconds, self.history = state["seconds"], state["history"]
        self.result_epoch = state["result_epoch"]
        self.skips = Skips(**state.get("skips", {}))

    def _state(self) -> dict[str, Any]:
        state = load_checkpoint(self.folder.checkpoint, "search")
        if state["space_digest"] != self.space.digest:
            raise RunError(
                f"{self.folder.checkpoint}: was made with another version of space "
                f"{self.space.name} ({state['space_digest']}, now {self.space.digest})"
            )
        return state


def run_search(
    config: SearchConfig, out: Path, progress: Progress, *, resume: bool = False
) -> SearchResult:
    """Search, with checkpoints on the way; Ctrl-C ends it with a checkpoint.

    Writes into ``out``: config.yaml, metrics.jsonl, checkpoint.pt, genotype.yaml, decisions.json (a
    row per choice: entropy, margin, visits), arch_history.npz (the history of the architecture
    parameters) and, when finished, summary.json.

    Raises:
        NasfaceError: for settings, data or a run folder that cannot be used.
    """
    folder = RunFolder(out)
    if resume:
        folder.check_same(config)
    with join_world(config.device) as world:
        search = Search(config, folder, world)
        with disk_explained(out):
            if world.is_first and not resume:
                folder.create(config)
            if resume:
                search.load()
            with MetricsLog(folder if world.is_first else None) as log:
                finished = run_loop(search, f"search {search.space.name}", progress, log)
            if world.is_first:
                _write_results(search)
    return SearchResult(out, search.genotype(), finished, world.is_first)


def _write_results(search: Search) -> None:
    folder = search.folder
    save_genotype(search.genotype(), folder.path / "genotype.yaml")
    save_history(folder.path / "arch_history.npz", search.history)
    if search.ended:
        folder.write_json("summary.json", _summary(search))


def _summary(search: Search) -> dict[str, Any]:
    return {
        "space": search.space.name,
        "steps": search.step,
        "skipped_steps": search.skips.total,
        "seconds": round(search.seconds, 1),
        "device": str(search.device),
        "peak_memory_mb": round(peak_memory_mb(search.device), 1),
        "candidates": search.searcher.coverage.candidates(),
        "unvisited": search.searcher.coverage.unvisited(),
        "nasface": nasface.__version__,
        "torch": torch.__version__,
    }

"""A search under way: a bilevel searcher on a face detector, with its data and its run folder."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

import nasface
from nasface.arch.genotype import Genotype, Provenance, cascade
from nasface.arch.io import save_genotype
from nasface.arch.space import SearchSpace
from nasface.data.dataset import Batch
from nasface.detection.losses import DetectionLoss, LossParts
from nasface.detection.searchable import SearchableDetector
from nasface.engine.job import Job, StepLoader
from nasface.engine.memory_estimate import Footprint, footprint
from nasface.engine.optim import LearningRateSchedule
from nasface.engine.setup import images_to_device, peak_memory_mb, targets_to_device
from nasface.errors import RunError
from nasface.nas.derive import derive
from nasface.nas.mixture import Mixture
from nasface.nas.searcher import BilevelSearcher
from nasface.nas.widening import Widening, widen
from nasface.nn.cost import meta_copy
from nasface.progress import Progress
from nasface.runs.arch_history import entry_arrays, history_entry, save_history
from nasface.runs.checkpoint import fitting, load_checkpoint
from nasface.runs.folder import SUMMARY_FILE, Kind, RunFolder
from nasface.runs.metrics_log import MetricsLog

SPACE, PREFIX_GENOTYPE_FILE = "space.yaml", "prefix_genotype.yaml"
"""Files of a run folder that hold a search space and a genotype which settings cannot name."""


@dataclass(frozen=True)
class DetectorSearchLoss:
    """The detection loss of what a mixture executes. Architecture steps leave the first shot out,
    which no architecture parameter reaches. ``uses_bf16`` runs convolutions in bfloat16."""

    model: SearchableDetector
    loss: DetectionLoss
    device: torch.device
    uses_bf16: bool = False

    def __call__(self, batch: Batch, mixture: Mixture, *, arch_step: bool) -> LossParts:
        """See :class:`nasface.nas.searcher.SearchLoss`."""
        images, targets = batch
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.uses_bf16):
            shots = self.model.forward_train(
                images_to_device(images, self.device),
                mixture,
                first_shot=self.loss.uses_first_shot and not arch_step,
            )
        return self.loss(shots, targets_to_device(targets, self.device))


@dataclass(kw_only=True, eq=False)
class SearchJob(Job):
    """The state of a search and its steps. :func:`nasface.engine.search.run_search` runs it.

    ``loaders`` give the halves of the images for the weights and for the architecture parameters.
    The genotype of the result is called ``name`` and says ``provenance``; its first cells are those
    of ``prefix_genotype``. ``kept`` names the files of objects that the run folder has to hold.
    """

    kind: ClassVar[Kind] = "search"
    title: ClassVar[str] = "search"
    shown: ClassVar[tuple[str, ...]] = ("lr", "arch_loss", "expected_size", "weight_loss")
    artefacts: ClassVar[tuple[str, ...]] = ("genotype.yaml", "decisions.json", SUMMARY_FILE)

    model: SearchableDetector
    prefix_genotype: Genotype | None
    searcher: BilevelSearcher[Batch]
    loss: DetectorSearchLoss
    widening: Widening
    schedule: LearningRateSchedule
    loaders: tuple[StepLoader, StepLoader]
    name: str
    provenance: Provenance
    kept: frozenset[str] = frozenset()
    history: list[dict[str, Any]] = field(default_factory=list, init=False)
    warned: bool = field(default=False, init=False)
    """Whether it was said which choices have no gradient."""
    result_epoch: int | None = field(default=None, init=False)
    """The epoch whose genotype is the result, where ``max_skip_connections`` ended the search."""

    @property
    def space(self) -> SearchSpace:
        """What is searched."""
        return self.searcher.space

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.searcher.step

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        return super().ended or self.result_epoch is not None

    def begin(self) -> None:
        """Write the objects that settings cannot name."""
        output = self.context.output
        if output is not None and SPACE in self.kept:
            self.space.save(output.path / SPACE, overwrite=True)
        if (
            output is not None
            and PREFIX_GENOTYPE_FILE in self.kept
            and self.prefix_genotype is not None
        ):
            save_genotype(self.prefix_genotype, output.path / PREFIX_GENOTYPE_FILE)

    def start(self, progress: Progress) -> None:
        """Begin to load the images of the steps that are left."""
        self.progress = progress
        firsts = (self.step, max(self.step, self.searcher.schedule.warmup))
        self.weight_batches, self.arch_batches = (
            loader.batches(first, self.total, progress.note)
            for loader, first in zip(self.loaders, firsts, strict=True)
        )

    def next_step(self) -> dict[str, float]:
        """Make :meth:`take_step` on the images that are due."""
        arch_batch = next(self.arch_batches) if self.searcher.warm else None
        row = self.take_step(next(self.weight_batches), arch_batch)
        if self.step == self.searcher.schedule.warmup and self.context.world.is_first:
            total, missed = self.searcher.coverage.candidates(), self.searcher.coverage.unvisited()
            self.progress.note(f"warm-up over: {total - missed} of {total} candidates visited")
        return row

    def take_step(self, weight_batch: Batch, arch_batch: Batch | None) -> dict[str, float]:
        """Make one architecture step (after the warm-up), then one weight step; return their
        losses, nan where a step could not be made."""
        self.widening.prepare(self.step)
        rate = self.schedule.apply(self.step)
        return {"lr": rate, **self.searcher.take_step(weight_batch, arch_batch)}

    def genotype(self) -> Genotype:
        """Derive the genotype from the architecture parameters, behind the cells of the prefix."""
        entry = None if self.result_epoch is None else self.history[self.result_epoch - 1]
        alphas, betas, gammas = self.searcher.arrays() if entry is None else entry_arrays(entry)
        provenance = replace(self.provenance, step=self.step if entry is None else entry["step"])
        found = derive(
            self.space, alphas, betas or None, gammas, name=self.name, provenance=provenance
        )
        return found if self.prefix_genotype is None else cascade(self.prefix_genotype, found)

    def drawn_genotype(self) -> Genotype:
        """See :class:`Job`."""
        return self.genotype()

    def end_epoch(self, progress: Progress, _log: MetricsLog) -> None:
        """Keep the architecture parameters; write what a look at a running search wants."""
        epoch = self.step // self.epoch_steps
        self.history.append(history_entry(epoch, self.step, *self.searcher.arrays()))
        cell = self.searcher.too_many_skips(self.searcher.genotype("now"))
        if cell is not None:
            self.result_epoch = max(1, epoch - 1)
            learnt = self.result_epoch * self.epoch_steps > self.searcher.schedule.warmup
            limit = self.searcher.config.max_skip_connections
            progress.note(
                f"stopped: cell {cell} would have more than {limit} skip connections; the result "
                f"is the genotype of epoch {self.result_epoch}"
                + ("" if learnt else ", from before the choices were learnt")
            )
        self._warn_of_blind_choices(progress)
        output = self.context.output
        if output is not None:
            save_genotype(self.genotype(), output.path / "genotype.yaml")
            output.write_json("decisions.json", [asdict(row) for row in self.searcher.report()])

    def _warn_of_blind_choices(self, progress: Progress) -> None:
        """Say once which choices the loss does not see."""
        blind = self.searcher.sensitivity.blind()
        if blind and not self.warned and self.context.world.is_first:
            self.warned = True
            cells = "; ".join(f"{cell}: {', '.join(nodes)}" for cell, nodes in blind.items())
            progress.note(
                f"no gradient reaches these choices, which are made at random: {cells}. Larger "
                "crops (augment.size), or fewer levels, would let faces reach them"
            )

    def footprint(self) -> Footprint:
        """Return the memory of a weight step under the policy that comes after the warm-up, at the
        greatest width."""
        searcher, at = self.searcher, self.searcher.schedule.warmup
        with torch.no_grad():
            mixture = searcher.arch_parameters.mixture(
                searcher.policy(at), seed=searcher.seed, step=at
            )

        def run(model: SearchableDetector, images: Tensor) -> object:
            return model.forward_train(images, mixture, first_shot=self.loss.loss.uses_first_shot)

        model, widest = self.model, self.widening.stages[-1]
        if model.neck.partial != widest:
            model = meta_copy(model)
            widen(model.neck, widest)
        return footprint(model, run, self.input_shape, self.context.device)

    def state(self) -> dict[str, Any]:
        """See :class:`Job`."""
        return {
            "space_digest": self.space.digest,
            "history": self.history,
            "result_epoch": self.result_epoch,
            **self.searcher.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """See :class:`Job`.

        Raises:
            RunError: if the space has changed since.
        """
        self._check_space(state)
        self.widening.prepare(state["step"] - 1)
        self.searcher.load(state)
        self.history, self.result_epoch = state["history"], state["result_epoch"]

    def load_weights(self) -> None:
        """Load weights and architecture parameters from the checkpoint; the run stays unchanged.

        Raises:
            RunError: if there is none or the space has changed since.
        """
        folder = self.context.folder
        if folder is None:
            raise RunError("no run folder to take weights from")
        with fitting(folder.checkpoint):
            state = load_checkpoint(folder.checkpoint, self.kind)
            self._check_space(state)
            self.widening.prepare(state["step"] - 1)
            self.model.load_state_dict(state["model"])

    def _check_space(self, state: Mapping[str, Any]) -> None:
        if state["space_digest"] != self.space.digest:
            raise RunError(
                f"was made with another version of space {self.space.name} "
                f"({state['space_digest']}, now {self.space.digest})"
            )

    def write_results(self, folder: RunFolder) -> None:
        """Write genotype and history, and the figures of a finished search."""
        save_genotype(self.genotype(), folder.path / "genotype.yaml")
        save_history(folder.path, self.history)
        if self.ended:
            folder.write_json(SUMMARY_FILE, self._summary())

    def _summary(self) -> dict[str, Any]:
        return {
            "space": self.space.name,
            "steps": self.step,
            "skipped_steps": self.skips.total,
            "seconds": round(self.seconds, 1),
            "device": str(self.context.device),
            "peak_memory_mb": round(peak_memory_mb(self.context.device), 1),
            "candidates": self.searcher.coverage.candidates(),
            "unvisited": self.searcher.coverage.unvisited(),
            "nasface": nasface.__version__,
            "torch": torch.__version__,
        }

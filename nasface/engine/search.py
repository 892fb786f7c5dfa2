"""Architecture searches: settings, the objects that they name, and the run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch

import nasface
from nasface.annotations.records import ImageRecord
from nasface.annotations.widerface import split_halves
from nasface.arch.genotype import Genotype, Provenance
from nasface.arch.io import load_genotype, load_search_space
from nasface.arch.space import ParameterValue, SearchSpace
from nasface.data.dataset import check_batch
from nasface.data.reading import check_images, describe_data
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost_penalty
from nasface.detection.latency import load_latency_table
from nasface.detection.losses import DetectionLoss
from nasface.detection.necks.registry import GENOTYPE
from nasface.detection.pyramid import LEVELS
from nasface.detection.searchable import SearchableDetector, build_searchable
from nasface.detection.zoo import get_model_spec
from nasface.engine.accumulate import GradientAccumulator
from nasface.engine.arch_history import ArchHistory, arch_history
from nasface.engine.distributed.world import digest_of
from nasface.engine.job import JobConfig, RunContext
from nasface.engine.loop import run_job
from nasface.engine.optim import LearningRateSchedule
from nasface.engine.search_job import DetectorSearchLoss, SearchJob
from nasface.engine.setup import (
    check_faces,
    make_step_loader,
    make_weight_optimizer,
    prepare,
    read_training_images,
    start_backbone,
)
from nasface.errors import ConfigError
from nasface.io.yaml import config_digest
from nasface.nas.config import BilevelConfig
from nasface.nas.cost_penalty import CostPenalty
from nasface.nas.coverage import Decision
from nasface.nas.searcher import BilevelSearcher, Schedule
from nasface.nas.widening import Widening, check_stages
from nasface.progress import Progress, Silent
from nasface.random_streams import Purpose, torch_seed


@dataclass(frozen=True, kw_only=True)
class SearchConfig(BilevelConfig, JobConfig):
    """An architecture search. The defaults are the paper's where it states them (section 4.1)."""

    space: str = "autofem"
    """Search space: a packaged name or a YAML file."""
    parameters: dict[str, ParameterValue] = field(default_factory=dict)
    """Parameters of the space, such as nodes 8 rule cat-all."""
    prefix_genotype: str | None = None
    """Genotype built as a fixed module in front of the searched one; its cells open the result
    (the paper searches autofem-fpn first, then autofem-cpm behind it)."""
    partial_stages: tuple[int, ...] = ()
    """Partial channels K that fall in the course of the search, such as 4 2 1, each for an equal
    part of the steps: operations become wider on the way, as in DrNAS. Empty: the K of the
    space."""
    cost_penalty_size: tuple[int, int] = (640, 480)
    """Width and height of the image at which the cost penalty counts multiply-adds or time; on the
    command line 640 480 or 640x480."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stages(self.partial_stages)
        if self.warmup_within(self.epochs) > self.epochs:
            raise ConfigError(
                f"warmup_epochs: {self.warmup_epochs} is more than epochs {self.epochs}; expected "
                "0 to epochs, or none for two fifths of them"
            )
        if min(self.cost_penalty_size) < 2 ** LEVELS[-1]:
            raise ConfigError(
                f"cost_penalty_size: {self.cost_penalty_size}, expected at least {2 ** LEVELS[-1]}"
            )

    def bilevel(self) -> BilevelConfig:
        """Return the settings of the method, apart from the job's."""
        return BilevelConfig(
            **{each.name: getattr(self, each.name) for each in fields(BilevelConfig)}
        )


def search_config_of(name: str) -> SearchConfig:
    """Return the settings of a search in a detector of the zoo.

    Its assignment and loss stay.

    Raises:
        ConfigError: for an unknown name.
    """
    row = get_model_spec(name)
    return SearchConfig(detector=around_cells(row.detector), match=row.match, loss=row.loss)


def around_cells(detector: DetectorConfig) -> DetectorConfig:
    """Return the settings of a detector with searched cells in the place of its neck.

    Anchors and heads stay. A search has separable cells that stand once, whatever the detector has.
    """
    return replace(detector, repeats=1, context="separable", neck=GENOTYPE, laterals="projected")


@dataclass(frozen=True)
class SearchInputs:
    """The inputs of a search: the objects that settings name.

    ``kept`` names the files in the run folder, ``space.yaml`` and ``prefix_genotype.yaml``, of
    those objects that exist in memory only and are written there. ``data`` describes the images for
    the run folder.
    """

    space: SearchSpace
    images: Sequence[ImageRecord]
    prefix_genotype: Genotype | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SearchOutcome:
    """Result of a search; ``finished`` is false if it was stopped and can be resumed.

    ``rows`` are what was logged. Of several processes, only the one that ``is_first`` wrote the
    folder.
    """

    folder: Path | None
    genotype: Genotype
    space: SearchSpace
    arch_history: ArchHistory = field(repr=False)
    decisions: list[Decision] = field(repr=False)
    rows: list[dict[str, Any]] = field(repr=False)
    finished: bool
    is_first: bool = True


def load_search_inputs(config: SearchConfig, progress: Progress | None = None) -> SearchInputs:
    """Read the space, the images and the genotype that settings name; note what is wrong.

    Raises:
        NasfaceError: for names that lead to nothing, and images that cannot be read.
    """
    name = config.prefix_genotype
    space = load_search_space(config.space, config.parameters)
    prefix = None if name is None else load_genotype(name)
    images = read_training_images(config.data, config, progress or Silent())
    return SearchInputs(space, images.readable, prefix, describe_data({"train": images}))


def check_search_inputs(
    inputs: SearchInputs, config: SearchConfig, progress: Progress
) -> SearchInputs:
    """Look at the images of given inputs, as :func:`load_search_inputs` does.

    Raises:
        DataError: for images that cannot be read, or without a valid face.
    """
    images = check_images(
        inputs.images, config.bad_images, "training", progress, decoded=config.decoded
    )
    check_faces(images.readable, "data")
    return replace(inputs, images=images.readable, data=describe_data({"train": images}))


def make_search_job(config: SearchConfig, inputs: SearchInputs, context: RunContext) -> SearchJob:
    """Build the job that the settings describe.

    Raises:
        NasfaceError: for settings that do not fit together, and too few images.
    """
    weight_images, arch_images = split_halves(inputs.images, config.seed)
    check_batch(arch_images, config.step_images)
    stages = config.partial_stages or (inputs.space.partial_channels,)
    model = _make_model(config, inputs, stages[0])
    prepare(model, context.device).train()
    epoch_steps = len(arch_images) // config.step_images
    steps = Schedule(epoch_steps * config.warmup_within(config.epochs), epoch_steps * config.epochs)
    optimizer = make_weight_optimizer(config, model, model.weights())
    loss = DetectorSearchLoss(
        model, DetectionLoss(config.match, config.loss), context.device, config.uses_bf16
    )
    accumulator = GradientAccumulator(
        context.world,
        config.accumulate,
        config.batch_size,
        list(model.buffers()),
        lambda: digest_of(searcher.executed()),
    )
    searcher: BilevelSearcher[Any] = BilevelSearcher(
        model.neck.arch_parameters,
        loss,
        optimizer,
        config.bilevel(),
        steps,
        seed=config.seed,
        clip=config.optimizer.clip,
        cost_penalty=_cost_penalty(config, inputs),
        accumulator=accumulator,
    )
    folder = context.folder
    return SearchJob(
        context=context,
        model=model,
        prefix_genotype=inputs.prefix_genotype,
        input_shape=config.input_shape,
        total=steps.total,
        epoch_steps=epoch_steps,
        data=inputs.data,
        searcher=searcher,
        loss=loss,
        widening=Widening(model.neck, optimizer, stages, steps.total, accumulator.resize),
        schedule=LearningRateSchedule(optimizer, config.optimizer, steps.total),
        loaders=(
            make_step_loader(config, weight_images, context, half=0),
            make_step_loader(config, arch_images, context, half=1),
        ),
        name=f"{inputs.space.name}-found" if folder is None else folder.path.resolve().name,
        provenance=Provenance(
            nasface=nasface.__version__,
            seed=config.seed,
            step=0,
            policy=config.policy,
            config=config_digest(config),
        ),
        kept=inputs.kept,
    )


def _make_model(
    config: SearchConfig, inputs: SearchInputs, partial_channels: int
) -> SearchableDetector:
    torch.manual_seed(torch_seed(config.seed, Purpose.INITIAL_WEIGHTS))
    space = replace(inputs.space, partial_channels=partial_channels)
    model = build_searchable(config.detector, space, inputs.prefix_genotype)
    start_backbone(model, config.backbone_weights, config.freeze_stages, config.freeze_norms)
    return model


def _cost_penalty(config: SearchConfig, inputs: SearchInputs) -> CostPenalty | None:
    if not config.cost_penalty.weight:
        return None
    width, height = config.cost_penalty_size
    penalty = config.cost_penalty
    measure = (
        load_latency_table(Path(penalty.latency_table))
        if penalty.measure == "latency"
        else penalty.measure
    )
    return detector_cost_penalty(
        config.detector, inputs.space, (height, width), measure, inputs.prefix_genotype
    )


def run_search(
    config: SearchConfig,
    out: Path | None,
    progress: Progress,
    *,
    resume: bool = False,
    inputs: SearchInputs | None = None,
) -> SearchOutcome:
    """Search, with checkpoints on the way; Ctrl-C ends it with a checkpoint.

    Writes into ``out``, if given: config.yaml, environment.json, metrics.jsonl, checkpoint.pt,
    genotype.yaml, decisions.json (a row per choice: entropy, margin, visits), arch_history.npz (the
    history of the architecture parameters) and, when finished, summary.json. Objects in ``inputs``
    stand for those that ``config`` names.

    Raises:
        NasfaceError: for settings, data or a run folder that cannot be used.
    """

    def make(context: RunContext, shown: Progress) -> SearchJob:
        given = (
            load_search_inputs(config, shown)
            if inputs is None
            else check_search_inputs(inputs, config, shown)
        )
        return make_search_job(config, given, context)

    job, log = run_job(make, config, out, progress, resume=resume)
    return SearchOutcome(
        folder=out,
        genotype=job.genotype(),
        space=job.space,
        arch_history=arch_history(job.space, job.history),
        decisions=job.searcher.report(),
        rows=log.rows(),
        finished=job.ended,
        is_first=job.context.world.is_first,
    )

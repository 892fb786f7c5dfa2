"""The parts that jobs of search and training are built of, and their peak memory."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from nasface.annotations.names import LEAVE_OUT
from nasface.annotations.records import ImageRecord
from nasface.data.check import DataCheck
from nasface.data.dataset import FaceDataset
from nasface.data.reading import ReadConfig, read_split
from nasface.detection.backbones.pretrained import freeze, load_backbone_weights
from nasface.detection.detector import Detector
from nasface.detection.searchable import SearchableDetector
from nasface.engine.job import JobConfig, RunContext, StepLoader
from nasface.engine.optim import layer_scales, make_optimizer
from nasface.errors import ConfigError, DataError
from nasface.machine import peak_process_mb
from nasface.models import weights_path
from nasface.nn.blocks import channels_last, memory_format
from nasface.nn.fast_gradients import with_fast_gradients
from nasface.progress import Progress
from nasface.structures import Targets

Module = TypeVar("Module", bound=nn.Module)

_LEAVE_OUT_IN_PLAN = "leave them out by bad_images: skip in the plan's search and train"


def data_folder(data: str) -> Path:
    """Return the data folder of a setting.

    Raises:
        ConfigError: if it is empty.
    """
    if not data:
        raise ConfigError("data: is missing; expected the folder of annotated images")
    return Path(data)


def read_training_images(data: str, config: JobConfig, progress: Progress) -> DataCheck:
    """Read and look at the training images of a setting; note what is wrong with them.

    Raises:
        ConfigError: without a data folder. DataError: for one that cannot be used, an image that
            cannot be read (unless the settings say to skip it), or no valid face.
    """
    check = read_split(data_folder(data), "train", config, progress, config.decoded)
    check_faces(check.readable, data)
    return check


def check_plan_images(configs: Iterable[JobConfig], progress: Progress) -> None:
    """Look at the training and validation images of a plan's jobs before the first begins, once for
    each way of reading them; notes what is wrong.

    Raises:
        ConfigError, DataError: as :func:`read_training_images` and :func:`read_split`.
    """
    names = [each.name for each in fields(ReadConfig)]
    by_reading = {str([getattr(each, name) for name in names]): each for each in configs}
    for config in by_reading.values():
        try:
            read_training_images(config.data, config, progress)
            read_split(data_folder(config.data), "val", config, progress, config.decoded)
        except DataError as error:
            raise DataError(str(error).replace(LEAVE_OUT, _LEAVE_OUT_IN_PLAN)) from None


def check_faces(images: Sequence[ImageRecord], where: str) -> None:
    """Raise :class:`DataError` if no image has a face to learn from."""
    if not any(record.valid_M.any() for record in images):
        raise DataError(f"{where}: its training images have no valid face to learn from")


def start_backbone(
    detector: Detector | SearchableDetector, weights: str, freeze_stages: int, freeze_norms: bool
) -> None:
    """Load the weights that the backbone starts from, if any, and freeze what is not trained of it.

    Raises:
        RunError: for weights that do not fit. ConfigError: for more stages than there are.
    """
    backbone = detector.trunk.backbone
    if weights:
        load_backbone_weights(backbone, weights_path(weights))
    detector.fixed = tuple(freeze(backbone, freeze_stages, freeze_norms))


def make_step_loader(
    config: JobConfig, images: Sequence[ImageRecord], context: RunContext, half: int = 0
) -> StepLoader:
    """Return a loader of the batches of a job's steps; ``half``, 0 or 1, is that of a search."""
    data = FaceDataset(
        images,
        config.augment,
        config.seed,
        half,
        epochs=config.epochs,
        cache_mb=config.image_cache_mb,
        decoded=config.decoded,
    )
    shard = context.world.shard(config.accumulate)
    return StepLoader(data, config.step_images, config.workers, shard)


def make_weight_optimizer(
    config: JobConfig, detector: Detector | SearchableDetector, weights: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Return the optimiser of those weights of a detector that are not frozen."""
    scales = layer_scales(detector.trunk.backbone.freezable_stages(), config.optimizer.layer_decay)
    return make_optimizer(
        config.optimizer, [each for each in weights if each.requires_grad], scales
    )


def prepare(module: Module, device: torch.device) -> Module:
    """Return the module on its device, in the form that trains fastest there."""
    return with_fast_gradients(channels_last(module.to(device)))


def images_to_device(images_B3HW: Tensor, device: torch.device) -> Tensor:
    """Return the images on a device, in the memory format of its networks."""
    return images_B3HW.to(device).contiguous(memory_format=memory_format(device))


def targets_to_device(targets: Sequence[Targets], device: torch.device) -> list[Targets]:
    """Return the targets on a device."""
    return [Targets(t.boxes_M4.to(device), t.ignore_M.to(device)) for t in targets]


def peak_memory_mb(device: torch.device) -> float:
    """Return the peak memory so far in MB: of the process, or of the GPU where the job runs on
    one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return peak_process_mb()

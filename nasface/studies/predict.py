"""Zero-cost predictions for the detectors of cells."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from nasface.arch.io import load_genotype
from nasface.data.dataset import Batch, make_loader
from nasface.detection.detector import build_detector
from nasface.device import choose_device
from nasface.engine.distributed.world import World
from nasface.engine.job import RunContext
from nasface.engine.setup import images_to_device, targets_to_device
from nasface.engine.train import TrainConfig, load_train_inputs, make_train_job
from nasface.engine.train_job import TrainJob
from nasface.nas.zero_cost import PREDICTORS, Untrained
from nasface.progress import Progress
from nasface.random_streams import Purpose, torch_seed

_BATCHES = 2
"""Batches of which gradients are taken, as ZiCo's authors do."""


def predict_cells(
    config: TrainConfig,
    folder: Path,
    paths: Sequence[str],
    names: Sequence[str],
    progress: Progress,
) -> dict[str, dict[str, float]]:
    """Return predictor -> genotype's path -> value, for the detectors that ``config`` would train.

    ``paths`` are relative to ``folder``. All detectors start from the seed of ``config`` and see
    the same images: those of its first training steps.
    """
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    if not paths:
        return found
    inputs = load_train_inputs(replace(config, genotype=str(folder / paths[0])), None, progress)
    progress.start("predict", len(paths))
    batches: list[Batch] = []
    for path in paths:
        genotype = load_genotype(folder / path)
        torch.manual_seed(torch_seed(config.seed, Purpose.INITIAL_WEIGHTS))
        detector = build_detector(config.detector, genotype)
        own = replace(inputs, detector=detector, genotype=genotype, val=None)
        context = RunContext(World(), choose_device(config.device))
        job = make_train_job(config, own, context)
        batches = batches or list(make_loader(job.loader.data, config.batch_size, 0, _BATCHES, 0))
        untrained = _untrained(job, batches)
        for name in names:
            found[name][path] = PREDICTORS.find(name)(untrained)
        progress.advance()
    return found


def _untrained(job: TrainJob, batches: Sequence[Batch]) -> Untrained:
    device = job.context.device
    images = torch.cat([images_to_device(images, device) for images, _ in batches])
    return Untrained(job.model, _outputs, images, [partial(_loss, job, each) for each in batches])


def _outputs(network: nn.Module, images_B3HW: Tensor) -> tuple[Tensor, Tensor]:
    found = network(images_B3HW)
    return found.logits_BA2, found.deltas_BA4


def _loss(job: TrainJob, batch: Batch) -> Tensor:
    device = job.context.device
    shots = job.model.forward_train(
        images_to_device(batch[0], device), first_shot=job.loss.uses_first_shot
    )
    return job.loss(shots, targets_to_device(batch[1], device)).total

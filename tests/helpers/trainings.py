"""A training of seconds."""

from pathlib import Path

import torch
from tiny import AUGMENT, DETECTOR, OPTIMIZER, tiny_genotype, write_tiny

from nasface.arch.io import save_genotype
from nasface.engine.distributed.world import World
from nasface.engine.job import RunContext
from nasface.engine.train import TrainConfig, load_train_inputs, make_train_job
from nasface.engine.train_job import TrainJob


def tiny_training(folder: Path) -> TrainConfig:
    """The settings of four steps in two epochs; the data and the genotype are written there."""
    save_genotype(tiny_genotype(), folder / "genotype.yaml")
    return TrainConfig(
        data=str(write_tiny(folder / "data")),
        genotype=str(folder / "genotype.yaml"),
        epochs=2,
        evaluate_every=1,
        ema_decay=0.9,
        freeze_bn_after=0.75,
        batch_size=3,
        detector=DETECTOR,
        augment=AUGMENT,
        optimizer=OPTIMIZER,
    )


def make_job(config: TrainConfig) -> TrainJob:
    """A training that writes nothing."""
    return make_train_job(
        config, load_train_inputs(config), RunContext(World(), torch.device("cpu"))
    )

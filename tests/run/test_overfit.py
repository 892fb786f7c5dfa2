"""Each of the small models learns eight images by heart: backbone, loss, decoding, all of it."""

from pathlib import Path

import pytest

from nasface.data.annotations import read_wider_split
from nasface.data.augment import AugmentConfig
from nasface.data.sample import SampleConfig, write_sample
from nasface.evaluation.predict import TestConfig
from nasface.faces.losses import LossConfig
from nasface.faces.matching import MatchConfig
from nasface.faces.weights import load_detector
from nasface.run.config import OptimizerConfig, TrainConfig, train_config_of
from nasface.run.evaluate import evaluate
from nasface.run.progress import Silent
from nasface.run.train import run_training


def settings(name: str, data: Path) -> TrainConfig:
    start = train_config_of(name)
    return TrainConfig(
        model=name,
        detector=start.detector,
        genotype=start.genotype,
        data=str(data),
        epochs=400,
        evaluate_every=400,
        batch=8,
        # Always the whole image as it is.
        augment=AugmentConfig(size=256, face_crop=0, whole=1, flip=0, photometric=0),
        match=MatchConfig(positive=0.4, negative=0.3),
        loss=LossConfig(classification="focal", focal_alpha=0.4),
        optimizer=OptimizerConfig(name="adamw", lr=0.003, weight_decay=0.0, warmup_steps=20),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["d0", "d1", "d2"])
def test_eight_images_by_heart(name: str, tmp_path: Path) -> None:
    write_sample(
        tmp_path / "data",
        SampleConfig(train=8, val=1, min_side=256, max_side=256, min_face=24, max_face=120),
    )
    run_training(settings(name, tmp_path / "data"), tmp_path / "run", Silent())
    detector = load_detector(tmp_path / "run" / "last.safetensors").detector
    records = read_wider_split(tmp_path / "data", "train")
    result = evaluate(detector, records, TestConfig(), Silent())
    assert result.ap.faces > 20
    assert result.ap.ap >= 0.99

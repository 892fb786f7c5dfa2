"""Each of the small models learns eight images by heart: backbone, loss, decoding, all of it."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nasface.annotations.widerface import (
    parse_wider_annotations,
    read_wider_split,
    write_wider_annotations,
)
from nasface.data.augment import AugmentConfig
from nasface.data.images import read_image
from nasface.detection.checkpoint import read_checkpoint
from nasface.detection.losses import LossConfig
from nasface.detection.matching import MatchConfig
from nasface.engine.evaluate import evaluate_detector
from nasface.engine.optim import OptimizerConfig
from nasface.engine.train import TrainConfig, run_training, train_config_of
from nasface.errors import DataError
from nasface.inference.predict import InferenceConfig
from nasface.io.files import read_text
from nasface.progress import Silent
from nasface.synthetic.dataset import SampleConfig, write_sample

SIDE = 256
LEAST_FACE = 24
"""Pixels, in an image whose longer side is ``SIDE``."""
SPLIT = "wider_face_split/wider_face_{}_bbx_gt.txt"


def settings(name: str, data: Path) -> TrainConfig:
    start = train_config_of(name)
    return TrainConfig(
        model=name,
        detector=start.detector,
        genotype=start.genotype,
        data=str(data),
        epochs=400,
        evaluate_every=400,
        batch_size=8,
        # Always the whole image as it is.
        augment=AugmentConfig(size=SIDE, face_crop=0, whole=1, flip=0, photometric=0),
        match=MatchConfig(positive=0.4, negative=0.3),
        loss=LossConfig(classification="focal", focal_alpha=0.4),
        optimizer=OptimizerConfig(name="adamw", lr=0.003, weight_decay=0.0, warmup_steps=20),
    )


def is_clear(image: Path, rows: NDArray[np.int64]) -> bool:
    """Whether an image has one to six faces, none small and none marked invalid."""
    least = max(read_image(image).shape[:2]) * LEAST_FACE / SIDE
    return 1 <= len(rows) <= 6 and bool((rows[:, 2:4] >= least).all()) and not rows[:, 7].any()


def photographs(data: Path, folder: Path) -> None:
    """The first eight clear training images of WIDER FACE, at most two of an event."""
    root = data / "widerface"
    images = root / "WIDER_train" / "images"
    entries = parse_wider_annotations(
        read_text(root / SPLIT.format("train"), DataError, "annotations"), "WIDER FACE"
    )
    clear: list[tuple[str, NDArray[np.int64]]] = []
    of_event = Counter[str]()
    for name, rows in entries:
        event = name.partition("/")[0]
        if len(clear) < 8 and of_event[event] < 2 and is_clear(images / name, rows):
            clear.append((name, rows))
            of_event[event] += 1
    for split in ("train", "val"):
        (folder / "wider_face_split").mkdir(parents=True, exist_ok=True)
        write_wider_annotations(folder / SPLIT.format(split), clear)
        for name, _ in clear:
            copy = folder / f"WIDER_{split}" / "images" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(images / name, copy)


def composed(folder: Path) -> None:
    """Eight images of the sample that comes with nasface."""
    config = SampleConfig(
        train=8, val=1, min_side=SIDE, max_side=SIDE, min_face=LEAST_FACE, max_face=120
    )
    write_sample(folder, config)


def learn(name: str, folder: Path) -> None:
    run_training(settings(name, folder / "data"), folder / "run", Silent())
    detector = read_checkpoint(folder / "run" / "last.safetensors").detector
    records = read_wider_split(folder / "data", "train")
    result = evaluate_detector(detector, records, InferenceConfig(longer_side=SIDE), Silent())
    assert result.figures()["faces"] >= 8
    assert result.ap is not None
    assert result.ap >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("name", ["d0", "d1", "d2"])
def test_eight_photographs_by_heart(name: str, nasface_data: Path, tmp_path: Path) -> None:
    photographs(nasface_data, tmp_path / "data")
    learn(name, tmp_path)


@pytest.mark.slow
def test_eight_composed_images_by_heart(tmp_path: Path) -> None:
    composed(tmp_path / "data")
    learn("d0", tmp_path)

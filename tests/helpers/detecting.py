"""A small detector whose scores differ from anchor to anchor, and pictures of noise."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from tiny import SMALL_SEARCH
from torch import nn

import nasface
from nasface.api.detector import FaceDetector
from nasface.arch.io import load_search_space
from nasface.detection.checkpoint import save_detector
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.detection.heads import Head
from nasface.inference.predict import InferenceConfig
from nasface.nas.sampling import random_genotype

FIVE_BEST = InferenceConfig(score_threshold=0.0, max_detections=5)
CONFIG: DetectorConfig = SMALL_SEARCH["detector"]
GENOTYPE = random_genotype(
    load_search_space(SMALL_SEARCH["space"], SMALL_SEARCH["parameters"]), seed=0
)


def load_untrained(folder: Path) -> FaceDetector:
    """Load an untrained detector from a file in a folder."""
    torch.manual_seed(0)
    untrained = build_detector(CONFIG, GENOTYPE)
    with torch.no_grad():  # or all scores are as good as the same
        for head in untrained.trunk.heads:
            cast(nn.Conv2d, cast(Head, head).classify[-1]).weight.mul_(300)
    save_detector(folder / "w.safetensors", untrained, GENOTYPE, {"ap": 0.5})
    return nasface.load_detector(folder / "w.safetensors")


def picture(seed: int, height: int = 64, width: int = 80) -> NDArray[np.uint8]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)

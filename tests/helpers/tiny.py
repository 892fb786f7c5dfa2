"""A tiny data set in WIDER FACE layout, and settings that run through it in seconds."""

import math
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count as counted
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from nasface.annotations.widerface import write_wider_annotations
from nasface.arch.genotype import Genotype
from nasface.arch.io import load_search_space
from nasface.data.augment import AugmentConfig
from nasface.data.images import write_image
from nasface.detection.checkpoint import save_detector
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.detection.necks.registry import uses_genotype
from nasface.engine.optim import OptimizerConfig
from nasface.nas.derive import derive
from nasface.progress import Silent
from nasface.structures import ShotPair

DETECTOR = DetectorConfig(channels=8, head_layers=1, extra_channels=(16, 16))
SMALL_SEARCH: dict[str, Any] = {
    "space": "autofem2",
    "parameters": {"levels": "3-5", "nodes": 2, "partial": 4},
    "detector": replace(DETECTOR, levels=(3, 4, 5)),
}
"""A search with a third of autofem's edges, for what does not depend on their number."""
AUGMENT = AugmentConfig(size=64)
OPTIMIZER = OptimizerConfig(name="adamw", lr=0.002, warmup_steps=2)


def write_tiny(folder: Path, train: int = 8, val: int = 3) -> Path:
    """Images 64 x 64 with one or two bright squares as faces."""
    for part, count in (("train", train), ("val", val)):
        entries = []
        for at in range(count):
            generator = np.random.default_rng((len(part), at))
            image = generator.integers(0, 80, (64, 64, 3), dtype=np.uint8)
            rows = []
            for _ in range(1 + at % 2):
                x, y = generator.integers(0, 40, 2)
                image[y : y + 20, x : x + 16] = 230
                rows.append([x, y, 16, 20, 0, 0, 0, 0, 0, 0])
            path = folder / f"WIDER_{part}" / "images" / "0--Squares" / f"{at}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, image)
            entries.append((f"0--Squares/{at}.jpg", np.array(rows, dtype=np.int64)))
        annotations = folder / "wider_face_split" / f"wider_face_{part}_bbx_gt.txt"
        annotations.parent.mkdir(parents=True, exist_ok=True)
        write_wider_annotations(annotations, entries)
    return folder


def tiny_genotype(space_name: str = "autofem", seed: int = 0) -> Genotype:
    """The genotype of random architecture parameters."""
    parameters = {} if space_name == "autofem-fpn" else {"nodes": 4}
    space = load_search_space(space_name, parameters)
    generator = np.random.default_rng(seed)
    shapes = {
        cell: (len(graph.edges), len(space.operations)) for cell, graph in space.cells.items()
    }
    alphas = {c: generator.normal(size=s).astype(np.float32) for c, s in shapes.items()}
    betas = {c: generator.normal(size=s[0]).astype(np.float32) for c, s in shapes.items()}
    return derive(space, alphas, betas, name="tiny")


def write_lively_weights(
    path: Path,
    config: DetectorConfig = DETECTOR,
    seed: int = 0,
    genotype: Genotype | None = None,
) -> Path:
    """An untrained detector whose scores and offsets vary from anchor to anchor."""
    torch.manual_seed(seed)
    if genotype is None and uses_genotype(config.neck):
        genotype = tiny_genotype(seed=seed)
    detector = build_detector(config, genotype)
    for head in detector.trunk.heads:
        for branch in (head.classify, head.regress):
            last = cast(torch.nn.Conv2d, cast(torch.nn.Sequential, branch)[-1])
            torch.nn.init.normal_(last.weight)
            if isinstance(last, torch.nn.Conv2d):
                torch.nn.init.zeros_(cast(torch.Tensor, last.bias))
    # Products of features shrink what comes out of an untrained backbone to nothing.
    with torch.no_grad():
        for _ in range(3):
            detector.train()(torch.randn(4, 3, 128, 128))
    save_detector(path, detector.eval(), genotype, {"ap": 0.5})
    return path


class StopAfter(Silent):
    """Presses Ctrl-C after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, values: Mapping[str, float] | None = None) -> None:
        self.left -= bool(values)
        if self.left == 0 and values:
            signal.raise_signal(signal.SIGINT)


class Notes(Silent):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def nan_at(*calls: int) -> Callable[..., Tensor]:
    """A detection loss that is finite but at some of its calls, counted from 0."""
    counter = counted()

    def loss(_loss: object, shots: ShotPair, _targets: object) -> Tensor:
        return shots.second.deltas_BA4.sum() * (math.nan if next(counter) in calls else 1e-6)

    return loss

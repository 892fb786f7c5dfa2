"""A network that finds one face, applied to images and videos."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nasface.data.video import VideoFile
from nasface.engine.detect import DetectConfig, Finder
from nasface.runs.folder import RunFolder
from nasface.structures import Predictions


class UpperHalf(nn.Module):
    """Finds one face, the upper half of whatever it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> Predictions:
        height, width = images.shape[-2:]
        half = torch.tensor([[0.0, 0.0, float(width), height / 2]])
        return Predictions(torch.tensor([[[0.0, 5.0]]]), torch.zeros(1, 1, 4), half)


def finder(folder: Path, **settings: Any) -> Finder:
    config = DetectConfig(**settings)
    run = RunFolder(folder)
    run.create(config)
    return Finder(UpperHalf(), config, run)


def write_clip(path: Path, frames: int = 4, height: int = 64, width: int = 48) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    clip = VideoFile(path, 5.0)
    for _ in range(frames):
        clip.append(np.zeros((height, width, 3), np.uint8))
    clip.close()
    return clip.path


def lists(folder: Path) -> list[str]:
    """The images of ``detections.json``, which has the same as ``coco.json``."""
    rows = json.loads((folder / "detections.json").read_text())
    coco = json.loads((folder / "coco.json").read_text())
    assert [each["file_name"] for each in coco["images"]] == [row["image"] for row in rows]
    return [row["image"] for row in rows]

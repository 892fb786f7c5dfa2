"""Tiny sets in the form of WIDER FACE and FDDB, with detections that are all right."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny import DETECTOR, tiny_genotype, write_tiny
from wider import write_ground_truth

from nasface.annotations.detections import ScoredBoxes, write_detections
from nasface.annotations.widerface import read_wider_split
from nasface.data.images import write_image
from nasface.detection.checkpoint import save_detector
from nasface.detection.detector import build_detector


def write_wider(folder: Path) -> None:
    """Write ``wider``, with official ground truth, and its faces as detections, ``right``."""
    write_tiny(folder / "wider")
    images: dict[str, Any] = {}
    for record in read_wider_split(folder / "wider", "val"):
        sides = record.boxes_M4[:, 2:] - record.boxes_M4[:, :2]
        boxes = np.concatenate([record.boxes_M4[:, :2], sides], axis=1)
        name = record.name.removesuffix(".jpg")
        write_detections(
            folder / "right", record.name, ScoredBoxes(record.boxes_M4, np.full(len(boxes), 0.5))
        )
        rows = np.pad(boxes, ((0, 0), (0, 6))).astype(int).tolist()
        every = list(range(len(rows)))
        images[Path(name).name] = (rows, {"easy": every[:1], "medium": every, "hard": every})
    write_ground_truth(folder / "wider" / "ground_truth", {"0--Squares": images})


def write_fddb(folder: Path) -> None:
    """Write ``fddb``, an image for each fold, and its faces as detections, ``ellipses``."""
    (folder / "fddb" / "FDDB-folds").mkdir(parents=True)
    (folder / "ellipses").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for fold in range(1, 11):
        name, rows = f"2002/{fold:02d}/img_1", f"20 10 1.5 {20 + fold} 30  1\n9 7 0 50 50  1\n"
        path = folder / "fddb" / "FDDB-folds" / f"FDDB-fold-{fold:02d}-ellipseList.txt"
        path.write_text(f"{name}\n2\n{rows}")
        (folder / "ellipses" / f"{fold}.txt").write_text(f"{name}\n2\n{rows}")
        photo = folder / "fddb" / "originalPics" / f"{name}.jpg"
        photo.parent.mkdir(parents=True)
        write_image(photo, noise)


def write_untrained(folder: Path) -> None:
    """Write ``w.safetensors``, an untrained detector."""
    torch.manual_seed(0)
    genotype = tiny_genotype()
    save_detector(folder / "w.safetensors", build_detector(DETECTOR, genotype), genotype, {})

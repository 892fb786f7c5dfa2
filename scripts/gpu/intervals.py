"""Bootstrap intervals of WIDER FACE figures, and false boxes per photograph.

    python scripts/gpu/intervals.py --data DIR --images LIST --detections DIR [--resamples 200]

``--detections`` is the folder ``detections`` of an evaluation. Photographs are drawn again with
replacement; printed are the figures, the 2.5 and 97.5 % quantiles of the resamples, and how many
detections from ``--score`` on overlap no annotated face by half, per photograph.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from nasface.annotations.detections import ScoredBoxes, read_detections
from nasface.annotations.widerface_truth import WiderGroundTruth, read_ground_truth, select_images
from nasface.detection.boxes import iou
from nasface.metrics.widerface import score_wider


def false_boxes(
    truth: Sequence[WiderGroundTruth], found: Mapping[str, ScoredBoxes], score: float
) -> list[int]:
    """Return the detections of each photograph that match no annotated face, whatever its flags."""
    counts = []
    for image in truth:
        boxes = torch.empty(0, 4, dtype=torch.float64)
        if image.name in found:
            each = found[image.name]
            boxes = torch.from_numpy(each.boxes_N4[each.scores_N >= score])
        faces = torch.from_numpy(image.boxes_M4)
        best = iou(boxes, faces).amax(1) if len(faces) else torch.zeros(len(boxes))
        counts.append(int((best < 0.5).sum()))
    return counts


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--detections", type=Path, required=True)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--score", type=float, default=0.5)
    options = parser.parse_args()
    truth = select_images(read_ground_truth(options.data / "ground_truth"), options.images)
    found = read_detections(options.detections, [image.name for image in truth])
    figures = {name: each.ap for name, each in score_wider(truth, found).sets.items()}
    generator = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(options.resamples):
        sample = [truth[at] for at in generator.integers(len(truth), size=len(truth))]
        for name, each in score_wider(sample, found).sets.items():
            drawn[name].append(each.ap)
    for name, ap in figures.items():
        low, high = np.quantile(drawn[name], (0.025, 0.975))
        print(f"{name} {ap:.4f} [{low:.3f}, {high:.3f}]", flush=True)
    counts = false_boxes(truth, found, options.score)
    print(f"false boxes from {options.score}: {sum(counts)} on {len(counts)} photographs")


if __name__ == "__main__":
    main()

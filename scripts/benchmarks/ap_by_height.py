"""AP of a detector's files by height of the faces, beside the first of them.

    python scripts/benchmarks/ap_by_height.py FLOAT.xml INT8.xml ... --data DIR [--longer-side N]

A file is whatever ``nasface evaluate --weights`` takes. Prints a line for each band of heights: AP
at IoU 0.5 of each file, and the difference to the first with the interval that holds 95 % of those
over ``--draws`` draws of the images with replacement, the same for all files.
"""

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

import nasface
from nasface.annotations.detections import NOTHING, ScoredBoxes
from nasface.annotations.records import AnnotatedDataset
from nasface.arrays import Floats
from nasface.metrics.average_precision import area_under_envelope, labelled

Labelled = tuple[NDArray[np.int8], Floats, int]

BANDS = {
    "all": (0.0, np.inf),
    "below 16 px": (0.0, 16.0),
    "10 to 20 px": (10.0, 20.0),
    "16 to 48 px": (16.0, 48.0),
    "48 px and more": (48.0, np.inf),
}


def main() -> None:
    """Evaluate the files and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--longer-side", type=int)
    parser.add_argument("--draws", type=int, default=300)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = nasface.read_dataset(options.data, split="val")
    inference = {"longer_side": options.longer_side}
    found = [
        labels_of(images, nasface.evaluate(file, images, inference=inference).detections)
        for file in options.files
    ]
    every = np.arange(len(images))
    random = np.random.default_rng(0)
    draws = [random.integers(0, len(images), len(images)) for _ in range(options.draws)]
    print(f"| faces | number | {' | '.join(options.files)} |{' difference |' * (len(found) - 1)}")
    print(f"|{' --- |' * (2 * len(found) + 1)}")
    for name in BANDS:
        whole = [figure(each[name], every) for each in found]
        spread = np.array([[figure(each[name], draw) for each in found] for draw in draws])
        cells = [f"{value:.4f}" for value in whole]
        for other in range(1, len(found)):
            low, high = np.quantile(spread[:, other] - spread[:, 0], (0.025, 0.975))
            cells.append(f"{whole[other] - whole[0]:.3f} [{low:.3f}, {high:.3f}]")
        number = sum(faces for _, _, faces in found[0][name])
        print(f"| {name} | {number} | {' | '.join(cells)} |", flush=True)


def labels_of(
    images: AnnotatedDataset, found: Mapping[str, ScoredBoxes]
) -> dict[str, list[Labelled]]:
    """Return the labels and scores of the detections of each image, and its faces, for each
    band."""
    result: dict[str, list[Labelled]] = {}
    for name, (low, high) in BANDS.items():
        result[name] = []
        for image in images:
            detections = found.get(image.name, NOTHING)
            heights = image.boxes_M4[:, 3] - image.boxes_M4[:, 1]
            ignored = ~image.valid_M | (heights < low) | (heights >= high)
            labels = labelled(*detections, image.boxes_M4, ignored, 0.5)
            result[name].append((labels, detections.scores_N, int((~ignored).sum())))
    return result


def figure(images: Sequence[Labelled], chosen: NDArray[np.int64]) -> float:
    """Return AP over the images with these numbers."""
    picked = [images[at] for at in chosen]
    labels = np.concatenate([labels for labels, _, _ in picked])
    scores = np.concatenate([scores for _, scores, _ in picked])
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order][labels[order] >= 0], dtype=np.int64)
    precision = hits / np.arange(1, len(hits) + 1)
    return area_under_envelope(hits / sum(faces for _, _, faces in picked), precision)


if __name__ == "__main__":
    main()

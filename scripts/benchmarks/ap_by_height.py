"""AP of a detector's files by height of the faces, beside the first of them.

    python scripts/benchmarks/ap_by_height.py FLOAT.xml INT8.xml ... --data DIR [--longer-side N]

A file is whatever ``nasface evaluate --weights`` takes. Prints a line for each band of heights: AP
at IoU 0.5 of each file, and the difference to the first with the interval that holds 95 % of those
over ``--draws`` draws of the images with replacement, the same for all files.
"""

import argparse
from collections.abc import Mapping

import numpy as np
import torch

import nasface
from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.records import AnnotatedDataset
from nasface.metrics.average_precision import average_precision_by_height

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
    found = [
        nasface.evaluate(
            nasface.load_detector(file, device="cpu"),
            images,
            inference={"longer_side": options.longer_side},
        ).detections
        for file in options.files
    ]
    chosen = np.arange(len(images))
    whole = [figures(images, each, chosen) for each in found]
    drawn = []
    random = np.random.default_rng(0)
    for _ in range(options.draws):
        chosen = random.integers(0, len(images), len(images))
        drawn.append([figures(images, each, chosen) for each in found])
    spread = np.array(drawn)
    print(f"| faces | number | {' | '.join(options.files)} |{' difference |' * (len(found) - 1)}")
    print(f"|{' --- |' * (2 * len(found) + 1)}")
    for at, (name, (low, high)) in enumerate(BANDS.items()):
        heights = [each.boxes_M4[each.valid_M] @ (0, -1, 0, 1) for each in images]
        number = sum(int(((low <= each) & (each < high)).sum()) for each in heights)
        cells = [f"{each[at]:.4f}" for each in whole]
        for other in range(1, len(found)):
            differences = spread[:, other, at] - spread[:, 0, at]
            least, most = np.quantile(differences, (0.025, 0.975))
            middle = whole[other][at] - whole[0][at]
            cells.append(f"{middle:.3f} [{least:.3f}, {most:.3f}]")
        print(f"| {name} | {number} | {' | '.join(cells)} |")


def figures(
    images: AnnotatedDataset, found: Mapping[str, ScoredBoxes], chosen: np.ndarray
) -> list[float]:
    """AP of each band over the images with these numbers."""
    picked = [images[int(at)] for at in chosen]
    by_height = average_precision_by_height(
        [found[each.name] for each in picked],
        [(each.boxes_M4, ~each.valid_M) for each in picked],
        bands=BANDS,
    )
    return [each.ap for each in by_height.values()]


if __name__ == "__main__":
    main()

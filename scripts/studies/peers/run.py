"""Detectors of other packages beside ours: accuracy on WIDER FACE photographs, time, and a figure.

    python scripts/studies/peers/run.py --data DIR --images LIST --folder FOLDER --out OUT

Installs the packages into FOLDER by pip, without touching the environment; applies each detector at
original size to the listed validation photographs; scores all by the official protocol; times whole
calls on one image of 640 x 480, one thread, in rounds that alternate, with ratios to the last of
``--family``. Writes peers.csv, peers.png and the detections. Detections that are there are not made
again.
"""

import argparse
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import matplotlib.pyplot as plt
import numpy as np
import skimage.data

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from detectors import PACKAGES, Detect, family, trained
from measuring import alternate, ratio, write_rows

from nasface.annotations.detections import (
    ScoredBoxes,
    detections_file,
    read_detections,
    write_detections,
)
from nasface.annotations.widerface_truth import read_ground_truth, select_images
from nasface.data.images import read_image
from nasface.metrics.widerface import score_wider

FAMILY = ("d2", "d1", "d0")
SMALL = "10 to 20 px"


def install(folder: Path) -> None:
    """Install the packages, once; their dependencies are those of nasface, or not needed."""
    for each in PACKAGES:
        if not (folder / each.partition("=")[0]).is_dir():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            subprocess.run([*command, "--target", str(folder), each], check=True)


def photograph() -> np.ndarray:
    """Return a photograph with a face, 640 x 480."""
    return np.asarray(cv2.resize(skimage.data.astronaut()[:384], (640, 480)), np.uint8)


def detect_all(
    make: partial[Detect], folder: Path, names: list[str], images: Path
) -> dict[str, ScoredBoxes]:
    """Return the detections of a detector on all photographs, read where they were written
    before."""
    missing = [name for name in names if not detections_file(folder, name).exists()]
    if missing:
        run = make()
        for name in missing:
            write_detections(folder, name, run(read_image(images / name, exif=False)))
    return dict(read_detections(folder, names))


def draw(rows: list[dict[str, object]], path: Path) -> None:
    """Draw the accuracy on the medium set against time; the family without weights as lines."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for row in rows:
        x, y = float(str(row["median_ms"])), row["medium"]
        if y == "":
            axes.axvline(x, color="0.75", linewidth=1, zorder=0)
            axes.annotate(
                str(row["detector"]), (x, 0.02), xycoords=("data", "axes fraction"),
                xytext=(3, 0), textcoords="offset points", color="0.45",
            )  # fmt: skip
            continue
        for name, marker in (("easy", "^"), ("medium", "o"), ("hard", "v")):
            colour = "C0" if str(row["detector"]).startswith("asfd") else "C1"
            axes.plot(x, float(str(row[name])), marker, color=colour)
        axes.annotate(
            str(row["detector"]), (x, float(str(y))), xytext=(6, -3), textcoords="offset points"
        )
    axes.set_xscale("log")
    axes.set_xticks([20, 50, 100, 200, 500], minor=False)
    axes.minorticks_off()
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("ms of one thread for a call on 640 x 480")
    axes.set_ylabel("average precision: easy ▲, medium ●, hard ▼")
    figure.savefig(path, dpi=130)


def main() -> None:
    """Install, detect, score, time, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="WIDER FACE layout")
    parser.add_argument("--images", type=Path, required=True, help="list of photographs")
    parser.add_argument("--folder", type=Path, required=True, help="of packages and ONNX files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--yunet", type=Path, help="OpenCV's ONNX model, if there is one")
    parser.add_argument("--detectors", nargs="+", help="only these, by name")
    parser.add_argument("--family", nargs="*", default=FAMILY, help="timed with random weights")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--commit", default="")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    # yuface warns of images above 960 pixels.
    warnings.filterwarnings("ignore", message="Image size")
    install(options.folder)
    truth = select_images(read_ground_truth(options.data / "ground_truth"), options.images)
    names = [image.name for image in truth]
    photographs = options.data / "WIDER_val" / "images"
    detectors = trained(options.folder, options.yunet)
    if options.detectors:
        detectors = {name: detectors[name] for name in options.detectors}
    figures = {}
    for name, make in detectors.items():
        found = detect_all(partial(make), options.out / "detections" / name, names, photographs)
        result = score_wider(truth, found)
        figures[name] = {each: round(row.ap, 4) for each, row in result.sets.items()}
        figures[name]["ap_10_to_20_px"] = round(result.by["height"][SMALL].ap, 4)
        print(name, figures[name], flush=True)
    makers = {**detectors, **family(options.folder, options.family)}
    image = photograph()
    steps = {name: partial(make(), image) for name, make in makers.items()}
    times = alternate(steps, options.rounds, time.process_time)
    first = next(reversed(times))
    empty = dict.fromkeys(("easy", "medium", "hard", "ap_10_to_20_px"), "")
    rows: list[dict[str, object]] = [
        {
            "detector": name,
            **figures.get(name, empty),
            "median_ms": round(1000 * median(seconds), 1),
            f"to_{first}": round(ratio(seconds, times[first]), 2),
        }
        for name, seconds in times.items()
    ]
    for row in rows:
        print(row, flush=True)
    about = {"images": len(truth), "rounds": options.rounds, "commit": options.commit}
    write_rows(options.out / "peers.csv", rows, about)
    draw(rows, options.out / "peers.png")


if __name__ == "__main__":
    main()

"""The paper's Figure 1 with sizes and times of this package: accuracy against each of them.

    python scripts/benchmarks/table4_figure.py docs/results/table4.csv --out docs/results/table4.png

The accuracies, AP on the hard part of WIDER FACE at one scale, are those the papers report (ASFD,
Table 4): nothing was trained for this. Parameters and multiply-adds are counted, milliseconds are
those of the CSV file. Detectors of ASFD are joined by a line.
"""

import argparse
import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HARD = {
    "d0": 0.744,
    "d1": 0.820,
    "d2": 0.836,
    "d3": 0.848,
    "d4": 0.858,
    "extd-64": 0.672,
    "srn-r50": 0.713,
    "retinaface-r50": 0.828,
    "pyramidbox-vgg16": 0.844,
    "dsfd-r152": 0.851,
}
"""Reported AP; that of PyramidBox is of its ResNet-50 form, which is nowhere described."""

AXES = (
    ("parameters_m", "parameters, M"),
    ("macs_g", "multiply-adds, G"),
    ("onnxruntime_ms", "ms, ONNX Runtime, one CPU thread"),
)


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("csv", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with options.csv.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    figure, panels = plt.subplots(1, len(AXES), figsize=(12, 4), sharey=True, layout="constrained")
    for panel, (column, label) in zip(panels, AXES, strict=True):
        ours = [row for row in rows if row["model"] == row["beside"]]
        panel.plot([float(row[column]) for row in ours], [HARD[row["model"]] for row in ours], "o-")
        for row in rows:
            x, y = float(row[column]), HARD[row["model"]]
            if row["model"] != row["beside"]:
                panel.plot(x, y, "s", color="tab:gray")
            panel.annotate(row["model"], (x, y), (4, -10), textcoords="offset points", fontsize=7)
        panel.set(xscale="log", xlabel=label)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("reported AP, hard")
    figure.savefig(options.out, dpi=150)


if __name__ == "__main__":
    main()

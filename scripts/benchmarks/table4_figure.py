"""The paper's Figure 1 with sizes and times of this package: accuracy against each of them.

    python scripts/benchmarks/table4_figure.py docs/results/table4.csv --out docs/results/table4.png

The accuracies, AP on the hard part of WIDER FACE at one scale, are those that ASFD's Table 4
reports: nothing was trained for this. Parameters and multiply-adds are counted; milliseconds are
those of the CSV file, of the detectors that it has. Detectors of ASFD are joined by a line.
"""

import argparse
import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import NullFormatter
from table4 import cost_of

FAMILY = {"d0": 0.744, "d1": 0.820, "d2": 0.836, "d3": 0.848, "d4": 0.858}
PEERS = {
    "extd-64": 0.672,
    "srn-r50": 0.713,
    "retinaface-r50": 0.828,
    "pyramidbox-vgg16": 0.844,
    "dsfd-r152": 0.851,
}
"""Reported AP; that of PyramidBox is of its ResNet-50 form, which is nowhere described."""


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("csv", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with options.csv.open(encoding="utf-8") as file:
        times = {row["model"]: float(row["onnxruntime_ms"]) for row in csv.DictReader(file)}
    costs = {name: cost_of(name) for name in (*FAMILY, *PEERS)}
    axes = {
        "parameters, M": {name: each.parameters / 1e6 for name, each in costs.items()},
        "multiply-adds, G": {name: each.macs / 1e9 for name, each in costs.items()},
        "ms, ONNX Runtime, one CPU thread": times,
    }
    figure, panels = plt.subplots(1, len(axes), figsize=(12, 4), sharey=True, layout="constrained")
    for panel, (label, values) in zip(panels, axes.items(), strict=True):
        for aps, style in ((FAMILY, "o-"), (PEERS, "s")):
            names = [name for name in aps if name in values]
            panel.plot([values[each] for each in names], [aps[each] for each in names], style)
            for name in names:
                at = (values[name], aps[name])
                panel.annotate(name, at, (4, -10), textcoords="offset points", fontsize=7)
        panel.set(xscale="log", xlabel=label)
        panel.margins(x=0.25)
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("reported AP, hard")
    figure.savefig(options.out, dpi=150)


if __name__ == "__main__":
    main()

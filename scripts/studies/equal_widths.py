"""How long detectors with hand-made necks take beside cells of a latency table's space.

    python scripts/studies/equal_widths.py TABLE LEAST MOST fpn:52 bifpn:40 [--rounds 25]
        [--space autofem2] [--genotypes FILE...]

TABLE is one of `nasface latency measure` for the space with all channels. Six random cells whose
predicted milliseconds lie between LEAST and MOST, the necks, each at its width, and the detectors
of the genotypes take turns on one thread. Prints the median of each, and its ratio to the mean of
the cells.
"""

import argparse
import statistics
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import torch

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype, load_search_space
from nasface.deploy.alternating import Run
from nasface.deploy.latency import PART_ENGINES, measure_interleaved
from nasface.deploy.traceable import Graph
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.detection.latency import load_latency_table
from nasface.nas.sampling import random_genotype
from nasface.nn.fuse import fuse_conv_bn

CELLS, SEED = 6, 77


def main() -> None:
    """Measure and print a line per detector."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("least", type=float)
    parser.add_argument("most", type=float)
    parser.add_argument("necks", nargs="+", help="name and width of a neck, such as fpn:52")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--space", default="autofem2")
    parser.add_argument("--genotypes", nargs="*", type=Path, default=[])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    table = load_latency_table(chosen.table)
    levels = table.detector.levels
    space = load_search_space(chosen.space, levels=f"{levels[0]}-{levels[-1]}", partial=1)
    drawn = (random_genotype(space, SEED, at) for at in count())
    allowed = (each for each in drawn if chosen.least <= table.predict(each) <= chosen.most)

    def whole(detector: DetectorConfig, genotype: Genotype | None) -> Run:
        network = Graph(fuse_conv_bn(build_detector(detector, genotype)), "heads")
        width, height = table.size
        prepare = PART_ENGINES.find(table.engine, "engine")
        return prepare(network, [torch.rand(1, 3, height, width)])

    runs = {
        f"cell {at}": whole(table.detector, each) for at, each in enumerate(islice(allowed, CELLS))
    }
    for text in chosen.necks:
        neck, width = text.split(":")
        runs[text] = whole(replace(table.detector, neck=neck, channels=int(width)), None)
    for path in chosen.genotypes:
        runs[str(path)] = whole(table.detector, load_genotype(path))
    times = dict(zip(runs, measure_interleaved(list(runs.values()), chosen.rounds), strict=True))
    cells = statistics.mean(list(times.values())[:CELLS])
    for name, milliseconds in times.items():
        print(f"{name:<12} {milliseconds:7.2f} ms  {milliseconds / cells:.3f}")


if __name__ == "__main__":
    main()

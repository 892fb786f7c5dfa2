"""How much of what cells differ by is the number of their nodes that multiply.

    python scripts/studies/products_in_cells.py FOLDER [--metric easy] [--csv FILE]

FOLDER is that of a comparison whose random cells have searched combine rules. Prints the rank
correlation of that number with what the cells reach, and the standard deviations between cells and
between their trainings, as they are and about a straight line in that number.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype
from nasface.studies.folder import finished
from nasface.studies.phases import GENOTYPE_FILE
from nasface.studies.spec import load_plan
from nasface.studies.statistics import rank_correlation, spread_of
from nasface.studies.study_run import runs_of


def products(genotype: Genotype) -> int:
    """Return the number of nodes that multiply two or more edges."""
    return sum(
        node.combine == "product" and len(node.edges) > 1
        for cell in genotype.cells.values()
        for node in cell.nodes
    )


def main() -> None:
    """Print the figures, and write the cells to a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metric", default="easy")
    parser.add_argument("--csv", type=Path, help="file for a row per training")
    options = parser.parse_args()
    rows = []
    for run in runs_of(load_plan(options.folder / "plan.yaml")):
        row = finished(options.folder, run)
        if row is not None and run.strategy == "random":
            genotype = load_genotype(options.folder / run.path / GENOTYPE_FILE)
            rows.append((run.label, run.seed, products(genotype), float(row[options.metric])))
    frame = pd.DataFrame(rows, columns=["row", "seed", "products", options.metric])
    if options.csv:
        frame.to_csv(options.csv, index=False, float_format="%.6g")
    cells = frame.groupby(["row", "seed"]).mean()
    found = rank_correlation((-cells["products"]).tolist(), cells[options.metric].tolist())
    print(
        f"{len(cells)} cells of {cells['products'].min():.0f} to {cells['products'].max():.0f} "
        f"products; few of them first: Spearman {found.rho:.3f}, {found.low:.3f} to "
        f"{found.high:.3f}"
    )
    slope, start = np.polyfit(frame["products"], frame[options.metric], 1)
    frame["rest"] = frame[options.metric] - (start + slope * frame["products"])
    print(f"straight line: {start:.3f} {slope:+.4f} a product")
    for name in (options.metric, "rest"):
        groups = [group.tolist() for _, group in frame.groupby(["row", "seed"])[name]]
        spread = spread_of(groups)
        print(
            f"{name}: {spread.between:.3f} between cells ({spread.low:.3f} to {spread.high:.3f}), "
            f"{spread.within:.3f} between trainings"
        )


if __name__ == "__main__":
    main()

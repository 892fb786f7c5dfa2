"""How well latency tables predict detectors as different as users have them.

    python scripts/studies/latency_spread.py [--engine onnxruntime] [--rounds 15] [--csv FILE]

Detectors of one width and one set of levels take nearly the same time, so that a rank correlation
among them says little. Here 30 random detectors of autofem2 have one of three widths, and levels 3
to 5 or 2 to 6; each pair has a table of its own, and none of the five detectors of a pair had a
part in it. Prints Spearman's correlation over all of them and the mean error.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from nasface.api.latency import LatencyConfig, measure_table
from nasface.deploy.latency import LatencyCheck
from nasface.detection.config import DetectorConfig

WIDTHS = (8, 24, 48)
LEVELS = ((3, 5), (2, 6))
EACH = 5


def main() -> None:
    """Measure, print the figures, and write a row per detector."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--csv", type=Path, help="file for a row per detector")
    chosen = parser.parse_args()
    rows = []
    for low, high in LEVELS:
        for width in WIDTHS:
            config = LatencyConfig(
                parameters={"levels": f"{low}-{high}"},
                detector=DetectorConfig(
                    backbone="thin_resnet_n",
                    channels=width,
                    head_layers=1,
                    levels=tuple(range(low, high + 1)),
                ),
                engine=chosen.engine,
                rounds=chosen.rounds,
                calibrate=4,
                check=EACH,
            )
            _, check = measure_table(config)
            assert check is not None
            for measured, predicted in zip(check.measured, check.predicted, strict=True):
                rows.append(
                    {
                        "engine": chosen.engine,
                        "levels": f"{low}-{high}",
                        "channels": width,
                        "measured_ms": round(measured, 3),
                        "predicted_ms": round(predicted, 3),
                    }
                )
                print(rows[-1], flush=True)
    found = pd.DataFrame(rows)
    if chosen.csv:
        found.to_csv(chosen.csv, index=False)
    whole = LatencyCheck(tuple(found["measured_ms"]), tuple(found["predicted_ms"]))
    errors = np.abs(found["predicted_ms"] / found["measured_ms"] - 1)
    print(f"Spearman   {whole.rank_correlation:.3f}")
    print(
        f"error      {100 * whole.mean_error:.1f} % on average, {100 * errors.max():.1f} % at most"
    )


if __name__ == "__main__":
    main()

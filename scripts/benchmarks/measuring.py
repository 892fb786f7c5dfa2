"""What the benchmarks share: alternating timings, and files that say where they come from."""

import csv
import datetime
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import nasface
from nasface.deploy.alternating import Run, alternate

__all__ = ["Run", "alternate", "ratio", "write_rows"]


def ratio(ours: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of the ratios taken inside each round."""
    return statistics.median(a / b for a, b in zip(ours, others, strict=True))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Write a CSV file whose rows also hold what is needed to repeat the measurement."""
    known = {
        **about,
        "nasface": nasface.__version__,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "date": datetime.date.today().isoformat(),
    }
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], *known])
        writer.writeheader()
        writer.writerows({**row, **known} for row in rows)

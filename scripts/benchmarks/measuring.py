"""What the benchmarks share: alternating timings, and files that say where they come from."""

import csv
import datetime
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import nasface

Step = Callable[[], object]


def alternate(
    steps: Mapping[str, Step], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each step in ``repeats`` rounds of all, their order reversed every time.

    A first round, which warms up, does not count. Of a single thread, a ``clock`` of processor
    time leaves out what other programs on the machine take.
    """
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 1):
        for name in list(steps) if repeat % 2 else list(steps)[::-1]:
            started = clock()
            steps[name]()
            if repeat:
                times[name].append(clock() - started)
    return times


def ratio(ours: Sequence[float], others: Sequence[float]) -> float:
    """Median of the ratios taken inside each round."""
    return statistics.median(a / b for a, b in zip(ours, others, strict=True))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """A CSV file whose rows also hold what is needed to repeat the measurement."""
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

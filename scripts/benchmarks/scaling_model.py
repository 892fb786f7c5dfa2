"""What a search at 640 pixels costs on several GPUs, as a table: ``docs/scaling.md`` explains it.

    python scripts/benchmarks/scaling_model.py

Bytes are those of ``docs/results/communication.csv``, the time of a weight step of 12 images that
of ``docs/results/released/gpu_search_memory.csv``; the other constants here are assumptions.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
IMAGES, EPOCHS, WARM_EPOCHS = 12880 // 2, 50, 20
MEASURED_IMAGES = 12
ARCH_SHARE = 0.9
"""Time of an architecture step with a competitor to that of a weight step (search-cost.md)."""
FLOOR_S = 0.06
"""Least time of a weight step, in which the CPU starts kernels: three times a forward pass of D2
(gpu_latency.csv)."""
EXPOSED = 0.2
"""Share of a sum of gradients that is not hidden by the backward pass, where that is longer."""
MEETINGS, MESSAGE_S = 2, 0.05e-3
"""Of a step: the digest, and whether to stop; time that each process adds to one of them."""
PER_NODE = 8
NETWORKS = {"NVLink and 400 Gbit/s": (200e9, 40e9), "NVLink and 10 Gbit/s": (200e9, 1.1e9)}
"""Bytes per second within a machine and between two."""
LAYOUTS = ((1, 12, 4), (4, 12, 4), (8, 6, 8), (32, 2, 32))
"""GPUs, images that go through the network together, and parts of a step."""


@dataclass(frozen=True)
class Search:
    """A search: seconds of a weight step of 12 images, and what weight and architecture steps sum,
    in bytes."""

    name: str
    step_s: float
    weight_bytes: float
    arch_bytes: float


def searches() -> list[Search]:
    """Return the measured search, and that of D2, whose time is scaled by floating point
    operations."""
    with (RESULTS / "communication.csv").open() as file:
        rows = {row["what"]: row for row in csv.DictReader(file)}
    with (RESULTS / "released" / "gpu_search_memory.csv").open() as file:
        measured = next(csv.DictReader(file))
    assert (measured["method"], measured["nodes"]) == ("argmax path", "4")
    found = []
    for name in ("paper", "d2"):
        weights, choices = rows[f"{name} search, weights"], rows[f"{name} search, choices"]
        ratio = float(weights["gflop"]) / float(rows["paper search, weights"]["gflop"])
        volumes = [
            1e6 * (float(row["gradient_mb"]) + float(row["statistics_mb"]))
            for row in (weights, choices)
        ]
        found.append(Search(name, ratio * float(measured["step_ms"]) / 1e3, *volumes))
    return found


def exchange_s(volume: float, gpus: int, network: tuple[float, float]) -> float:
    """Return the seconds of a ring's sum, which goes at the speed of its slowest link."""
    speed = network[0] if gpus <= PER_NODE else network[1]
    return 2 * (gpus - 1) / gpus * volume / speed


def hours(search: Search, gpus: int, batch: int, parts: int, network: tuple[float, float]) -> float:
    """Return the hours of the whole search."""
    compute = parts / gpus * max(FLOOR_S, search.step_s * batch / MEASURED_IMAGES)
    meet = MEETINGS * MESSAGE_S * 2 * (gpus - 1)
    weight, arch = compute, ARCH_SHARE * compute
    for volume, is_weight in ((search.weight_bytes, True), (search.arch_bytes, False)):
        sent = exchange_s(volume, gpus, network)
        hidden = 2 / 3 * compute * gpus / parts  # the backward pass of the last part
        exposed = max(EXPOSED * sent, sent - hidden) + meet / 2
        weight, arch = (weight + exposed, arch) if is_weight else (weight, arch + exposed)
    steps = IMAGES // (batch * parts)
    return steps * (EPOCHS * weight + (EPOCHS - WARM_EPOCHS) * arch) / 3600


def main() -> None:
    """Print the table."""
    print("| search | network | GPUs | images a step | hours | GPU hours | efficiency |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for search in searches():
        alone = hours(search, *LAYOUTS[0], (1.0, 1.0))
        for name, network in NETWORKS.items():
            for gpus, batch, parts in LAYOUTS:
                if gpus <= PER_NODE and name != next(iter(NETWORKS)):
                    continue
                took = hours(search, gpus, batch, parts, network)
                print(
                    f"| {search.name} | {name if gpus > PER_NODE else 'NVLink'} | {gpus} | "
                    f"{batch * parts} | {took:.2f} | {took * gpus:.1f} | "
                    f"{alone / took / gpus:.0%} |"
                )


if __name__ == "__main__":
    main()

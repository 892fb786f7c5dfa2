"""Plans of comparisons that run in seconds, and rows as their runs write them."""

from pathlib import Path
from typing import Any

from nasface.studies.spec import MethodSpec, StudySpec

SMALL: dict[str, Any] = {
    "batch_size": 2,
    "detector": {"channels": 8, "head_layers": 1, "extra_channels": [16, 16]},
    "augment": {"size": 64},
}
TRAIN = {"epochs": 1, **SMALL}
SEARCH = {"space": "autofem-cpm", "epochs": 2, "warmup_epochs": 1, **SMALL}
FPN = MethodSpec(name="fpn", strategy="fixed", train={"detector": {"neck": "fpn"}})
PAN = MethodSpec(name="pan", strategy="fixed", train={"detector": {"neck": "pan"}})
RANDOM = MethodSpec(name="random", strategy="random", nodes=(4,))


def plan(data: Path, *methods: MethodSpec, seeds: tuple[int, ...] = (0,), **more: Any) -> StudySpec:
    return StudySpec(
        name="p", methods=methods, seeds=seeds, data=str(data), search=SEARCH, train=TRAIN, **more
    )


def row(label: str, seed: int, ap: float, nodes: int | None = None, **more: Any) -> dict[str, Any]:
    """A row as a run writes it."""
    return {
        "label": label, "method": label,
        "strategy": "fixed", "nodes": nodes, "seed": seed, "ap": ap,
        "easy": None, "medium": None, "hard": None, "search_seconds": None,
        "search_peak_mb": None, "train_seconds": 2.0, "train_peak_mb": 100.0, "parameters": 1000,
        "macs": 10**9, "latency_ms": 5.0, "search_epochs": None, "train_steps": 4,
        "inference": "single scale",
        "images": 3, "device": "cpu", "machine": "x86_64", "threads": 1,
        "torch": "2", "nasface": "0", "date": "2026-11-25", **more,
    }  # fmt: skip

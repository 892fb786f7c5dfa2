"""Does a search learn? DARTS cells on the handwritten digits that come with scikit-learn.

    pip install -e . scikit-learn
    python scripts/examples/digits.py --csv docs/results/digits.csv

1797 real images of 8 x 8 pixels, 897 of them to search and train on (stratified, another choice for
every seed), 900 to test. Each method derives a cell from a search on the 897 images; every cell is
then trained from scratch in a network whose width brings it as close as possible to one number of
parameters. Random cells are derived from random architecture parameters, one draw per seed, no
selection. A run that is in the file already is not repeated, so a study can be stopped and gone on
with.
"""

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_search_space
from nasface.arch.space import SearchSpace
from nasface.classification.layout import NetworkConfig
from nasface.classification.network import Classifier, SearchClassifier
from nasface.nas.config import BilevelConfig, policy_at
from nasface.nas.derive import derive
from nasface.nas.mixture import Mixture
from nasface.nas.policy import Softmax
from nasface.nas.searcher import BilevelSearcher, Schedule
from nasface.nn.cost import count_parameters, count_saved_bytes

Batch = tuple[Tensor, Tensor]
NODES, LAYERS, SEARCH_CHANNELS, BATCH = 4, 5, 8, 32
SEARCH_EPOCHS, WARMUP_EPOCHS, TRAIN_EPOCHS = 30, 10, 40
PARAMETERS = 60_000


@dataclass(frozen=True)
class MethodSpec:
    """A way to find a cell; ``config`` is ``None`` for random cells."""

    space: str
    keep: int
    config: BilevelConfig | None


def _config(**changes: Any) -> BilevelConfig:
    return BilevelConfig(warmup_epochs=WARMUP_EPOCHS, arch_lr=6e-3, **changes)


METHODS = {
    "pc-darts": MethodSpec("pc-darts", 2, _config(policy="softmax", arch_weight_decay=1e-3)),
    "argmax path": MethodSpec("pc-darts", 2, _config(policy="argmax")),
    "argmax path, no probes": MethodSpec("pc-darts", 2, _config(policy="argmax", probes=0)),
    "argmax, one path per node": MethodSpec("pc-darts", 1, _config(policy="argmax")),
    "gumbel": MethodSpec("pc-darts", 2, _config(policy="gumbel", every_edge=True, probes=0)),
    "random": MethodSpec("pc-darts", 2, None),
}


@dataclass(frozen=True)
class Split:
    """Images (N, 3, 8, 8) in [-1, 1] and their classes."""

    train: Batch
    test: Batch


def split_digits(seed: int) -> Split:
    """Return the digits, divided by a seed."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images, labels, test_size=900, stratify=labels, random_state=seed)
    arrays = [torch.from_numpy(np.asarray(part)) for part in parts]
    train, test = (
        (x.float().view(-1, 1, 8, 8) / 8 - 1).expand(-1, 3, -1, -1).contiguous() for x in arrays[:2]
    )
    return Split((train, arrays[2].long()), (test, arrays[3].long()))


def batches(data: Batch, generator: torch.Generator) -> Iterator[Batch]:
    """Yield endless shuffled batches."""
    images, labels = data
    while True:
        order = torch.randperm(len(images), generator=generator)
        for at in range(0, len(order) - BATCH + 1, BATCH):
            index = order[at : at + BATCH]
            yield images[index], labels[index]


def search(
    method: MethodSpec, config: BilevelConfig, space: SearchSpace, data: Batch, seed: int
) -> tuple[Genotype, float]:
    """Return the derived genotype, and the megabytes that a weight step keeps for its backward
    pass."""
    generator = torch.Generator().manual_seed(seed)
    network = SearchClassifier(
        space, NetworkConfig(channels=SEARCH_CHANNELS, layers=LAYERS), generator
    )
    half = len(data[0]) // 2
    sources = [
        batches((data[0][part], data[1][part]), generator)
        for part in (slice(0, half), slice(half, None))
    ]
    steps = half // BATCH
    schedule = Schedule(steps * WARMUP_EPOCHS, steps * SEARCH_EPOCHS)
    optimizer = torch.optim.SGD(network.weights(), 0.05, momentum=0.9, weight_decay=3e-4)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, schedule.total)

    def loss(batch: Batch, mixture: Mixture, *, arch_step: bool) -> Tensor:
        return F.cross_entropy(network(batch[0], mixture), batch[1])

    searcher: BilevelSearcher[Batch] = BilevelSearcher(
        network.arch_parameters,
        loss,
        optimizer,
        config,
        schedule,
        seed=seed,
    )
    while searcher.step < schedule.total:
        searcher.take_step(next(sources[0]), next(sources[1]) if searcher.warm else None)
        rates.step()
    return searcher.genotype(method.space), saved_mb(network, config)


def saved_mb(network: SearchClassifier, config: BilevelConfig) -> float:
    """Return the megabytes that a weight step keeps, as a search with this policy begins."""
    policy = Softmax() if config.policy == "softmax" else policy_at(config, 1, 0, 2)
    with torch.no_grad():
        mixture = network.arch_parameters.mixture(policy, seed=0, step=0)
    images = torch.zeros(BATCH, 3, 8, 8)
    with count_saved_bytes(*network.parameters(), *network.buffers(), images) as saved:
        network(images, mixture)
    return saved.total / 1e6


def random_genotype(space: SearchSpace, seed: int) -> Genotype:
    """Return the genotype of random architecture parameters."""
    random = np.random.default_rng(seed)
    alphas = {
        cell: random.normal(size=(len(graph.edges), len(space.operations))).astype(np.float32)
        for cell, graph in space.cells.items()
    }
    betas = {
        cell: random.normal(size=len(graph.edges)).astype(np.float32)
        for cell, graph in space.cells.items()
    }
    return derive(space, alphas, betas)


def fitting_width(genotype: Genotype) -> int:
    """Return the width whose network is nearest to the common number of parameters."""

    def parameters(channels: int) -> int:
        with torch.device("meta"):
            return count_parameters(
                Classifier(genotype, NetworkConfig(channels=channels, layers=LAYERS))
            )

    return min(range(4, 65), key=lambda channels: abs(parameters(channels) - PARAMETERS))


def train(genotype: Genotype, split: Split, seed: int) -> dict[str, float]:
    """Return the test accuracy in per cent and cross-entropy after training from scratch, and the
    size."""
    torch.manual_seed(seed)
    width = fitting_width(genotype)
    network = Classifier(genotype, NetworkConfig(channels=width, layers=LAYERS))
    steps = TRAIN_EPOCHS * (len(split.train[0]) // BATCH)
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, weight_decay=3e-4)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    source = batches(split.train, torch.Generator().manual_seed(seed))
    for _ in range(steps):
        images, labels = next(source)
        optimizer.zero_grad()
        F.cross_entropy(network(images).main, labels).backward()
        optimizer.step()
        rates.step()
    network.eval()
    with torch.no_grad():
        logits = network(split.test[0]).main
    return {
        "accuracy": 100 * (logits.argmax(1) == split.test[1]).float().mean().item(),
        "loss": F.cross_entropy(logits, split.test[1]).item(),
        "width": width,
        "parameters": count_parameters(network),
    }


def run(name: str, seed: int) -> dict[str, object]:
    """Run one method with one seed."""
    method, split = METHODS[name], split_digits(seed)
    space = load_search_space(method.space, {"nodes": NODES, "keep": method.keep})
    torch.manual_seed(seed)
    started, kept = time.perf_counter(), 0.0
    if method.config is None:
        genotype = random_genotype(space, seed)
    else:
        genotype, kept = search(method, method.config, space, split.train, seed)
    seconds = time.perf_counter() - started
    figures = train(genotype, split, seed)
    operations = [
        edge.operation
        for cell in genotype.cells.values()
        for node in cell.nodes
        for edge in node.edges
    ]
    return {
        "method": name,
        "seed": seed,
        "accuracy": round(figures["accuracy"], 3),
        "loss": round(figures["loss"], 5),
        "parameters": int(figures["parameters"]),
        "width": int(figures["width"]),
        "skips": operations.count("skip"),
        "edges": len(operations),
        "search_seconds": round(seconds, 1),
        "saved_mb": round(kept, 2),
        "torch": torch.__version__,
    }


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return mean and spread by method, and the difference to random cells of the same seeds."""
    random = rows[rows.method == "random"].set_index("seed").accuracy
    found = []
    for name, group in rows.groupby("method", sort=False):
        gain = (group.set_index("seed").accuracy - random).dropna()
        found.append(
            {
                "method": name,
                "seeds": len(group),
                "accuracy": round(group.accuracy.mean(), 2),
                "deviation": round(group.accuracy.std(), 2),
                "test loss": round(group.loss.mean(), 4),
                "its deviation": round(group.loss.std(), 4),
                "gain over random": round(gain.mean(), 2),
                "its standard error": round(gain.std() / max(1, len(gain)) ** 0.5, 2),
                "parameters": round(group.parameters.mean()),
                "skips": round(group.skips.mean(), 1),
                "search s": round(group.search_seconds.mean(), 1),
                "saved MB": round(group.saved_mb.mean(), 2),
            }
        )
    return pd.DataFrame(found)


def main() -> None:
    """Run what is missing, then print the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--csv", type=Path, required=True, help="file of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    study(options.csv, options.methods, options.seeds)
    print(summary(pd.read_csv(options.csv)).to_string(index=False))


def study(path: Path, methods: Sequence[str], seeds: Sequence[int]) -> None:
    """Append a row for each run that the file lacks."""
    known = pd.read_csv(path) if path.exists() else pd.DataFrame({"method": [], "seed": []})
    done = set(zip(known.method, known.seed, strict=True))
    left = [(name, seed) for seed in seeds for name in methods if (name, seed) not in done]
    for at, (name, seed) in enumerate(left):
        row = run(name, seed)
        print(f"{at + 1}/{len(left)}  " + "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)


if __name__ == "__main__":
    main()

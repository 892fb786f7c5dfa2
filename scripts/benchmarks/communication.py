"""What processes that share a step send one another: counted, and measured over gloo.

    python scripts/benchmarks/communication.py [--csv FILE] [--processes 1 2 4]

First, bytes of the gradients and running statistics that a step sums, for trainings and searches of
D0 and D2, and the share of the gradients that is on its way before the backward pass ends. These do
not depend on the size of the images. `paper` is the search of `scripts/gpu/measure.py`; floating
point operations are those of one image of 128 x 128 pixels, forward and backward.

Then trainings of D0 with four parts a step on 1, 2 and 4 processes of this machine: bytes that each
process received in a step, as the kernel counts them for its connections (Linux), beside those of a
ring, 2 (n - 1) / n of what is summed; and processor time of a step, beside a share of that of one
process.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ref

import torch
from measuring import write_rows
from torch import distributed as dist
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "helpers"))
from processes import environments
from tiny import AUGMENT, write_tiny

from nasface.arch.io import load_genotype, load_search_space
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.detection.searchable import build_searchable
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE
from nasface.engine.distributed.gradients import GradientSum
from nasface.engine.distributed.world import World, join_world
from nasface.engine.job import RunContext
from nasface.engine.train import TrainConfig, load_train_inputs, make_train_job, train_config_of
from nasface.nas.bilevel import frozen
from nasface.nas.policy import ArgmaxPath
from nasface.progress import Silent
from nasface.structures import ShotPair

SIZE, BATCH = 128, 2
PAPER = "paper"
PAPER_DETECTOR = DetectorConfig(
    backbone="resnet50",
    channels=256,
    head_layers=2,
    head="dense",
    extra="dense",
    extra_channels=(256, 256),
)
PARTS, WARM, STEPS = 4, 1, 3
_TCP_INFO_BYTES_RECEIVED = 128
"""Offset of ``tcpi_bytes_received`` in Linux' ``struct tcp_info``."""


def _loss(shots: ShotPair) -> torch.Tensor:
    of_shots = [each.logits_BA2.sum() + each.deltas_BA4.sum() for each in shots if each]
    return torch.stack(of_shots).sum()


def _count(
    kind: str,
    model: nn.Module,
    parameters: Sequence[nn.Parameter],
    forward: Callable[[], ShotPair],
    world: World,
) -> dict[str, Any]:
    """Return what one step sums, and when it is sent."""
    gradients = GradientSum(world)
    counter = FlopCounterMode(display=False)
    with counter, gradients.sent_when_ready(parameters):
        _loss(forward()).backward()
    early = gradients.sent_bytes
    total = 4 * sum(each.numel() for each in gradients.order)
    moved = 4 * sum(each.numel() for each in model.buffers() if each.is_floating_point())
    model.zero_grad(set_to_none=True)
    return {
        "what": kind,
        "parameters": sum(each.numel() for each in parameters),
        "reached": len(gradients.order),
        "gradient_mb": round(total / 1e6, 3),
        "statistics_mb": round(moved / 1e6, 3),
        "sent_early": round(early / total, 3),
        "gflop": round(counter.get_total_flops() / 1e9 / BATCH, 2),
    }


def counts(name: str, world: World) -> Iterator[dict[str, Any]]:
    """Yield the rows of a training, a weight step and an architecture step."""
    images = torch.randn(BATCH, 3, SIZE, SIZE)
    torch.manual_seed(0)
    if name == PAPER:
        config, space = PAPER_DETECTOR, load_search_space("autofem-cpm", {"nodes": 4})
    else:
        config, space = MODELS[name].detector, load_search_space("autofem")
        detector = build_detector(config, load_genotype(REFERENCE_GENOTYPE)).train()
        yield _count(
            f"{name} training",
            detector,
            list(detector.parameters()),
            lambda: detector.forward_train(images),
            world,
        )
    supernet = build_searchable(config, space).train()
    choices, weights = list(supernet.neck.arch_parameters.parameters()), supernet.weights()
    for kind, moved, fixed in (("weights", weights, choices), ("choices", choices, weights)):

        def forward(is_first: bool = kind == "weights") -> ShotPair:
            mixture = supernet.neck.arch_parameters.mixture(ArgmaxPath(), seed=0, step=0)
            return supernet.forward_train(images, mixture, first_shot=is_first)

        with frozen(fixed):
            yield _count(f"{name} search, {kind}", supernet, moved, forward, world)


def received() -> int:
    """Return the bytes that this process has received over its TCP connections."""
    total = 0
    for each in Path("/proc/self/fd").iterdir():
        try:
            descriptor = os.dup(int(each.name))
        except OSError:
            continue
        try:
            connection = socket.socket(fileno=descriptor)
        except OSError:  # a file
            os.close(descriptor)
            continue
        with connection:
            if connection.type != socket.SOCK_STREAM or connection.family == socket.AF_UNIX:
                continue
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        at = _TCP_INFO_BYTES_RECEIVED
        total += int.from_bytes(info[at : at + 8], sys.byteorder)
    return total


def work(data: str) -> None:
    """Do what one of several processes does; print what it saw."""
    base = train_config_of("d0")
    config: TrainConfig = replace(
        base, data=data, batch_size=2, accumulate=PARTS, augment=AUGMENT, device="cpu"
    )
    torch.set_num_threads(1)
    with join_world("cpu", 600.0) as world:
        context = RunContext(world, torch.device("cpu"))
        job = make_train_job(
            replace(config, epochs=WARM + STEPS), load_train_inputs(config), context
        )
        job.start(Silent())
        rows = []
        for _ in range(WARM + STEPS):
            batch = next(job.batches)
            before, started = received(), time.process_time()
            figures = job.take_step(batch)
            rows.append((received() - before, time.process_time() - started, figures["loss"]))
        summed = job.accumulator.floats
        values = sum(each.numel() for each in [*job.parameters, *summed])
    print(json.dumps({"summed": 4 * values, "rows": rows[WARM:]}))


def measure(size: int, data: str) -> dict[str, Any]:
    """Return the medians over steps and processes."""
    command = [sys.executable, __file__, "--work", data]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for environment in environments(size)
    ]
    found = [json.loads(each.communicate(timeout=900)[0].splitlines()[-1]) for each in processes]
    rows = [row for each in found for row in each["rows"]]
    ring = 2 * (size - 1) / size * found[0]["summed"]
    return {
        "what": f"d0 training on {size} processes",
        "received_mb": round(statistics.median(row[0] for row in rows) / 1e6, 4),
        "ring_mb": round(ring / 1e6, 4),
        "processor_ms": round(1000 * statistics.median(row[1] for row in rows), 1),
        "loss": found[0]["rows"][-1][2],
    }


def main() -> None:
    """Print and write the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--commit", default="")
    parser.add_argument("--models", nargs="*", default=["d0", "d2", PAPER])
    parser.add_argument("--processes", nargs="*", type=int, default=[1, 2, 4])
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return
    torch.set_num_threads(1)
    store = dist.HashStore()  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    group = dist.group.WORLD
    assert group is not None
    rows = [row for name in options.models for row in counts(name, World(group=ref(group)))]
    dist.destroy_process_group()
    with tempfile.TemporaryDirectory() as folder:
        data = str(write_tiny(Path(folder) / "data"))
        rows += [measure(size, data) for size in options.processes]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    rows = [{key: row.get(key, "") for key in columns} for row in rows]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items() if value != ""))
    if options.csv is not None:
        write_rows(options.csv, rows, {"commit": options.commit})


if __name__ == "__main__":
    main()

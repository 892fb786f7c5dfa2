"""Latency, memory and communication on one GPU, within a box of wall time.

    python scripts/gpu/measure.py --out DIR --seconds 60

In this order, each part written as soon as it is done: what the card and the software are; NCCL
with one process; latency and memory of the family, D0 to D6 and the dense forms, at 640x480; peak
memory of a weight step of a search in the paper's setting, by method and number of nodes. On a CPU
(``--tiny``) it runs through with small models, so that it can be tested.
"""

import argparse
import csv
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from search_memory import VARIANTS, Variant, space_of

from nasface.arch.io import load_genotype
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.detection.searchable import build_searchable
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE
from nasface.nn.blocks import channels_last
from nasface.nn.cost import count_parameters
from nasface.nn.fuse import fuse_conv_bn

STARTED = time.perf_counter()
HEIGHT, WIDTH = 480, 640
REPEATS = 15


def median_ms(run: Callable[[], object], repeats: int, on_gpu: bool) -> float:
    """Return the median time of a call; on a GPU by its own clock."""
    run()
    times = []
    for _ in range(repeats):
        if on_gpu:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            run()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end))
        else:
            begun = time.perf_counter()
            run()
            times.append(1000 * (time.perf_counter() - begun))
    return float(statistics.median(times))


def peak_mb(device: torch.device) -> float:
    """Return the most memory that tensors took since the last reset, in 10^6 bytes."""
    return torch.cuda.max_memory_allocated() / 1e6 if device.type == "cuda" else float("nan")


def _clean(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def latency(
    name: str, batch: int, device: torch.device, size: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a model: float32 (TF32 in convolutions) and bfloat16, eager and as a CUDA
    graph."""
    on_gpu = device.type == "cuda"
    with torch.device(device):
        detector = build_detector(MODELS[name].detector, load_genotype(REFERENCE_GENOTYPE))
    detector = channels_last(fuse_conv_bn(detector.eval()))
    for dtype in (torch.float32, torch.bfloat16):
        _clean(device)
        model = detector.to(dtype)
        images = torch.randn(batch, 3, *size, device=device, dtype=dtype)
        images = images.contiguous(memory_format=torch.channels_last)
        row: dict[str, Any] = {
            "model": name,
            "parameters_m": round(count_parameters(detector) / 1e6, 2),
            "batch": batch,
            "dtype": str(dtype).removeprefix("torch."),
        }
        with torch.inference_mode():
            row["eager_ms"] = round(median_ms(partial(model, images), REPEATS, on_gpu), 3)
            row["peak_mb"] = round(peak_mb(device), 1)
            if on_gpu:
                row["graph_ms"] = round(_graph_ms(model, images), 3)
        yield row


def _graph_ms(model: nn.Module, images: torch.Tensor) -> float:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            model(images)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = model(images)
    found = median_ms(graph.replay, REPEATS, on_gpu=True)
    del kept
    return found


def search_step(method: str, nodes: int, device: torch.device, tiny: bool) -> dict[str, Any]:
    """Return the peak memory and time of a weight step of both shots; all candidates of one policy
    step."""
    channels, size, batch = (32, 128, 2) if tiny else (256, 640, 12)
    config = DetectorConfig(
        backbone="mobilenet_v1_0.25" if tiny else "resnet50",
        channels=channels,
        head_layers=2,
        head="dense",
        extra="dense",
        extra_channels=(channels, channels),
    )
    variant = VARIANTS[method]
    row: dict[str, Any] = {
        "method": method,
        "nodes": nodes,
        "channels": channels,
        "size": size,
        "batch": batch,
    }
    _clean(device)
    try:
        step = _weight_step(config, variant, nodes, torch.Size((batch, 3, size, size)), device)
        row["step_ms"] = round(median_ms(step, 2, device.type == "cuda"), 1)
        row["peak_gb"] = round(peak_mb(device) / 1e3, 2)
    except torch.cuda.OutOfMemoryError:
        row["step_ms"], row["peak_gb"] = "", f"more than {_card_gb():.0f}"
    return row


def _weight_step(
    config: DetectorConfig,
    variant: Variant,
    nodes: int,
    shape: torch.Size,
    device: torch.device,
) -> Callable[[], None]:
    """Return a step of both shots forward and backward, by the mixture that the policy draws
    first."""
    with torch.device(device):
        model = build_searchable(config, space_of(variant, nodes)).train()
    images = torch.randn(shape, device=device)
    with torch.no_grad():
        mixture = model.neck.arch_parameters.mixture(variant.policy, seed=0, step=0)

    def step() -> None:
        shots = model.forward_train(images, mixture)
        of_shots = [each.logits_BA2.sum() + each.deltas_BA4.sum() for each in shots if each]
        torch.stack(of_shots).sum().backward()
        model.zero_grad(set_to_none=True)

    return step


def _card_gb() -> float:
    return float(torch.cuda.get_device_properties(0).total_memory / 1e9)


def communication(device: torch.device) -> dict[str, Any]:
    """Measure a process group of one process: whether its sum is right, and how long it takes."""
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29517")
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, rank=0, world_size=1)
    values = torch.arange(1e6, device=device)
    expected = values.clone()
    took = median_ms(lambda: dist.all_reduce(values), 10, device.type == "cuda")
    right = bool(torch.equal(values, expected))
    layer = nn.parallel.DistributedDataParallel(nn.Linear(8, 8).to(device))
    layer(torch.ones(2, 8, device=device)).sum().backward()
    gradient = layer.module.bias.grad
    right = right and gradient is not None and bool((gradient == 2).all())
    dist.destroy_process_group()
    return {"backend": backend, "right": right, "all_reduce_4mb_ms": round(took, 3)}


class Table:
    """A CSV file that is complete after each row."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path, self.columns = path, columns
        path.write_text(",".join(columns) + "\n")

    def add(self, row: dict[str, Any]) -> None:
        """Append, and print."""
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)


def main() -> None:
    """Measure all parts, as far as time allows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--latency-share", type=float, default=0.55, help="of the time")
    parser.add_argument("--tiny", action="store_true", help="small sizes, for tests")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.allow_tf32 = True

    def left(share: float) -> float:
        return float(STARTED + share * options.seconds - time.perf_counter())

    about: dict[str, Any] = {
        "card": torch.cuda.get_device_name() if device.type == "cuda" else platform.processor(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "python": platform.python_version(),
        "size": f"{WIDTH}x{HEIGHT}",
    }
    try:
        about["nccl"] = communication(device)
    except Exception as problem:  # the other measurements go on
        about["nccl"] = repr(problem)[:300]
    (options.out / "machine.json").write_text(json.dumps(about, indent=1))
    print(about, flush=True)
    names = [name for name in MODELS if not name.endswith("-dense")]
    names += [name for name in MODELS if name.endswith("-dense")]
    size = (128, 160) if options.tiny else (HEIGHT, WIDTH)
    names = names[:1] if options.tiny else names
    columns = ["model", "parameters_m", "batch", "dtype", "eager_ms", "graph_ms", "peak_mb"]
    table = Table(options.out / "latency.csv", columns)
    for name in names:
        for batch in (1, 2) if options.tiny else (1, 16):
            if left(options.latency_share) < 0:
                break
            try:
                for row in latency(name, batch, device, size):
                    table.add(row)
            except Exception as problem:
                print(name, batch, repr(problem)[:300], flush=True)
    columns = ["method", "nodes", "channels", "size", "batch", "step_ms", "peak_gb"]
    table = Table(options.out / "search_memory.csv", columns)
    for nodes in (4,) if options.tiny else (4, 6, 8, 12):
        for method in VARIANTS:
            if left(1.0) < 4 and not options.tiny:
                break
            try:
                table.add(search_step(method, nodes, device, options.tiny))
            except Exception as problem:
                print(method, nodes, repr(problem)[:300], flush=True)


if __name__ == "__main__":
    main()

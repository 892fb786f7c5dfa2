"""Latency, throughput and peak memory of the family at 640 x 480, beside plain networks for scale.

    python scripts/benchmarks/inference.py [--models d0 d1 d2] [--csv FILE]

The plain networks have the make and the size of RetinaFace with MobileNetV1-0.25 (0.43 M
parameters, 0.74 G multiply-adds) and with ResNet-50 (27.3 M, 33.2 G): three levels, a feature
pyramid and one context module each, two anchors per position. All run without decoding and
suppression, with random weights. Times are medians of rounds that alternate in one process, of one
thread on a CPU in processor time, which leaves out what other programs take; peak memory is that of
a process of its own for each network (on a GPU, of its allocator), less what importing took.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import cast

import torch
import torch.nn.functional as F
from measuring import Run, alternate, ratio, write_rows
from torch import Tensor, nn

from nasface.arch.io import load_genotype
from nasface.detection.backbones.registry import build_backbone
from nasface.detection.detector import build_detector
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE
from nasface.nn.blocks import channels_last, conv_norm_relu
from nasface.nn.cost import measure_cost

PLAIN = {"plain-mobilenet-0.25": ("mobilenet_v1_0.25", 64), "plain-resnet50": ("resnet50", 256)}
HEIGHT, WIDTH = 480, 640


class PlainDetector(nn.Module):
    """A feature pyramid on C3 to C5, a context module and two anchors per position on each."""

    def __init__(self, backbone: str, channels: int) -> None:
        super().__init__()
        body = build_backbone(backbone)
        self.backbone = cast(nn.Module, body)
        half, quarter = channels // 2, channels // 4
        self.laterals = nn.ModuleList(
            conv_norm_relu(body.channels[level], channels) for level in (3, 4, 5)
        )
        self.merges = nn.ModuleList(conv_norm_relu(channels, channels, 3) for _ in range(2))
        self.near = nn.ModuleList(conv_norm_relu(channels, half, 3) for _ in range(3))
        self.shared = nn.ModuleList(conv_norm_relu(channels, quarter, 3) for _ in range(3))
        self.middle = nn.ModuleList(conv_norm_relu(quarter, quarter, 3) for _ in range(3))
        self.far = nn.ModuleList(
            nn.Sequential(conv_norm_relu(quarter, quarter, 3), conv_norm_relu(quarter, quarter, 3))
            for _ in range(3)
        )
        self.heads = nn.ModuleList(nn.Conv2d(channels, 2 * (2 + 4), 1) for _ in range(3))

    def forward(self, images_B3HW: Tensor) -> Tensor:
        """Map images to logits and offsets of all anchors, (B, 12, anchors / 2)."""
        features = self.backbone(images_B3HW)
        maps = [
            lateral(features[level])
            for lateral, level in zip(self.laterals, (3, 4, 5), strict=True)
        ]
        for at in (1, 0):
            upper = F.interpolate(maps[at + 1], size=maps[at].shape[-2:])
            maps[at] = self.merges[at](maps[at] + upper)
        outputs = []
        for at, x in enumerate(maps):
            shared = self.shared[at](x)
            context = [self.near[at](x), self.middle[at](shared), self.far[at](shared)]
            outputs.append(self.heads[at](torch.cat(context, dim=1)).flatten(2))
        return torch.cat(outputs, dim=2)


def build(name: str) -> nn.Module:
    """Return a network in evaluation mode."""
    torch.manual_seed(0)
    if name in PLAIN:
        return PlainDetector(*PLAIN[name]).eval()
    return build_detector(MODELS[name].detector, load_genotype(REFERENCE_GENOTYPE)).eval()


def images(batch: int, device: torch.device) -> Tensor:
    """Return random images in channels-last memory."""
    return torch.randn(batch, 3, HEIGHT, WIDTH, device=device).contiguous(
        memory_format=torch.channels_last
    )


def timings(
    names: list[str], batch: int, repeats: int, device: torch.device
) -> dict[str, list[float]]:
    """Return the seconds of each network's passes over a batch."""
    x = images(batch, device)

    def step(network: nn.Module) -> Run:
        def run() -> None:
            with torch.inference_mode():
                network(x)
            if device.type == "cuda":
                torch.cuda.synchronize()

        return run

    steps: Mapping[str, Run] = {n: step(channels_last(build(n).to(device))) for n in names}
    one_thread = device.type == "cpu" and torch.get_num_threads() == 1
    return alternate(steps, repeats, time.process_time if one_thread else time.perf_counter)


def peak_mb(name: str, batch: int, device: str) -> float:
    """Return the peak memory of a pass, in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--peak",
        name,
        "--batch-size",
        str(batch),
        "--device",
        device,
    ]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak(name: str, batch: int, device: torch.device) -> None:
    """Print the peak, for the process of :func:`peak_mb`."""
    torch.set_num_threads(1)
    before = high_water_mb()
    network, x = channels_last(build(name).to(device)), images(batch, device)
    with torch.inference_mode():
        network(x)
    if device.type == "cuda":
        print(torch.cuda.max_memory_allocated() / 1e6)
    else:
        print(high_water_mb() - before)


def high_water_mb() -> float:
    """Return the most memory that this process has held (Linux; getrusage would count its
    parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kilobytes) / 1e3


def main() -> None:
    """Print the table and write it with what is needed to repeat it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=[f"d{at}" for at in range(7)]
    )
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--commit", default="", help="commit to note in the file")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    parser.add_argument("--batch-size", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = torch.device(options.device)
    if options.peak:
        print_peak(options.peak, options.batch_size, device)
        return
    torch.set_num_threads(options.threads)
    names = [*PLAIN, *options.models]
    rows: list[dict[str, object]] = []
    for batch in options.batches:
        times = timings(names, batch, options.repeats, device)
        for name, seconds in times.items():
            with torch.device("meta"):
                cost = measure_cost(build(name), (torch.empty(1, 3, HEIGHT, WIDTH),), {})[0]
            row: dict[str, object] = {"model": name, "batch": batch}
            row |= {"parameters": cost.parameters, "macs": cost.macs}
            row["ms_per_image"] = round(1000 * median(seconds) / batch, 1)
            row["images_per_second"] = round(batch / median(seconds), 2)
            for plain in PLAIN:
                row[f"time_to_{plain}"] = round(ratio(seconds, times[plain]), 3)
            row["peak_mb"] = round(peak_mb(name, batch, options.device), 1)
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
            rows.append(row)
    if options.csv:
        about = {"size": f"{WIDTH}x{HEIGHT}", "device": str(device), "threads": options.threads}
        write_rows(options.csv, rows, {**about, "commit": options.commit})


if __name__ == "__main__":
    main()

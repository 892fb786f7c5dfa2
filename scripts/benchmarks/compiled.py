"""torch.compile beside torch and ONNX Runtime, compiling included.

    python scripts/benchmarks/compiled.py [--models asfd-nano asfd-small asfd-d0 d2] [--csv FILE]

What `nasface detect` asks of a network for photographs of 1024 x 768: each is shown twice, whole
and halved, without decoding and suppression. Each detector has a process and an empty cache of
compiled code of its own. "Ready" is what the first photograph takes: to compile for any size, or to
record for ONNX Runtime, and to run. After it, engines take turns. "Other sizes" are the first
photographs of 768 x 1024 and of 1000 x 667. All of it is time of processors, that of compilers
included; of d2 the weights are random.
"""

import argparse
import ast
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from measuring import Run, alternate, write_rows
from torch import Tensor, nn

from nasface.api.loading import load_detector
from nasface.arch.io import load_genotype
from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.detector import build_detector
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE
from nasface.inference.onnx_runtime import OUTPUT_NAMES, runner
from nasface.models import released_models
from nasface.nn.blocks import channels_last
from nasface.nn.fuse import fuse_conv_bn

SIZE, OTHERS = (768, 1024), ((1024, 768), (667, 1000))
PHOTOGRAPHS = (1, 50, 200)
Network = Callable[[Tensor], object]


class _Heads(nn.Module):
    """Logits and offsets alone, as the ONNX file has them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        found = self.network(images)
        return found.logits_BA2, found.deltas_BA4


def build(name: str) -> LoadedDetector:
    """Return a released detector, or a model of the family with random weights."""
    if name in released_models():
        detector = load_detector(name, "cpu")
        return LoadedDetector(detector.trainable, detector.config, detector.genotype, {})
    torch.manual_seed(0)
    config, genotype = MODELS[name].detector, load_genotype(REFERENCE_GENOTYPE)
    return LoadedDetector(build_detector(config, genotype).eval(), config, genotype, {})


def processors() -> float:
    """Return the seconds of processor time of this process and of those that it started."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)


def photograph(height: int, width: int) -> list[Tensor]:
    """Return the two views of a photograph."""
    sides = ((height, width), (round(height / 2), round(width / 2)))
    return [
        torch.randn(1, 3, *each).contiguous(memory_format=torch.channels_last) for each in sides
    ]


def shown(network: Network, views: list[Tensor]) -> Run:
    """Return a pass over the views of a photograph."""

    @torch.inference_mode()
    def run() -> None:
        for view in views:
            network(view)

    return run


def spent(act: Callable[[], object]) -> float:
    """Return the seconds of processor time that something takes."""
    before = processors()
    act()
    return processors() - before


def measure(name: str, threads: int, repeats: int) -> list[dict[str, object]]:
    """Return a row for each engine."""
    torch.set_num_threads(threads)
    loaded = build(name)
    fused = channels_last(fuse_conv_bn(loaded.detector))
    heads = _Heads(fused).eval()
    first, others = photograph(*SIZE), [photograph(*each) for each in OTHERS]
    networks: dict[str, Network] = {
        "torch": heads,
        "torch.compile": torch.compile(heads, dynamic=True),
    }

    def record() -> None:
        model = to_onnx(loaded, ExportConfig(outputs="heads"))
        networks["ONNX Runtime"] = runner(model.SerializeToString(), OUTPUT_NAMES["heads"])

    ready = {"torch": 0.0, "torch.compile": 0.0, "ONNX Runtime": spent(record)}
    for each, network in networks.items():
        ready[each] += spent(shown(network, first))
    other = {
        each: [spent(shown(network, views)) for views in others]
        for each, network in networks.items()
    }
    passes = {each: shown(network, first) for each, network in networks.items()}
    walls = alternate(passes, repeats, time.perf_counter)
    times = {each: median(taken) for each, taken in alternate(passes, repeats, processors).items()}
    return [
        {
            "detector": name,
            "threads": threads,
            "engine": each,
            "ready_s": round(ready[each], 2),
            "other_sizes_s": "; ".join(f"{value:.2f}" for value in other[each]),
            "photograph_ms": round(1000 * times[each], 1),
            "of_torch": round(times[each] / times["torch"], 3),
            "passed_of_torch": round(median(walls[each]) / median(walls["torch"]), 3),
            **{
                f"for_{number}_s": round(ready[each] + (number - 1) * times[each], 1)
                for number in PHOTOGRAPHS
            },
        }
        for each in networks
    ]


def main() -> None:
    """Print the rows and write them with what is needed to repeat them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--models", nargs="+", default=["asfd-nano", "asfd-small", "asfd-d0", "d2"], metavar="NAME"
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--commit", default="", help="commit to note in the file")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(measure(options.models[0], options.threads[0], options.repeats))
        return
    rows: list[dict[str, object]] = []
    for name in options.models:
        for threads in options.threads:
            command = [sys.executable, __file__, "--one", "--models", name]
            command += ["--threads", str(threads), "--repeats", str(options.repeats)]
            with tempfile.TemporaryDirectory() as folder:
                # Compilers started as pools outlive the measurement, so that their time is lost.
                settings = {"TORCHINDUCTOR_CACHE_DIR": folder, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
                settings["OMP_NUM_THREADS"] = str(threads)
                text = subprocess.run(
                    command,
                    env=os.environ | settings,
                    stdout=subprocess.PIPE,
                    check=True,
                    text=True,
                ).stdout
            for row in ast.literal_eval(text):
                print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
                rows.append(row)
    if options.csv:
        write_rows(options.csv, rows, {"size": "1024x768", "commit": options.commit})


if __name__ == "__main__":
    main()

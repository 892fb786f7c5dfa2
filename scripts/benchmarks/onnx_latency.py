"""Latency of torch and of ONNX Runtime on the same detectors, side by side.

    python scripts/benchmarks/onnx_latency.py --folder DIR [--models d0 d1 d2] [--csv FILE]

Detectors of the family with random weights, their normalisations folded, decoding in the graph,
suppression not. ONNX files are kept in DIR and used again: tracing takes longer than timing. Times
are medians of rounds that alternate in one process; with one thread, of processor time, so that
other work on the machine counts little.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import onnxruntime
import torch
from measuring import Run, alternate, ratio, write_rows

from nasface.arch.io import load_genotype
from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.deploy.traceable import Graph
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.detector import build_detector
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE
from nasface.inference.onnx_runtime import OUTPUT_NAMES, runner
from nasface.nn.blocks import channels_last
from nasface.nn.fuse import fuse_conv_bn

HEIGHT, WIDTH = 480, 640


def build(name: str) -> LoadedDetector:
    """Return a model of the family with random weights."""
    torch.manual_seed(0)
    config, genotype = MODELS[name].detector, load_genotype(REFERENCE_GENOTYPE)
    return LoadedDetector(build_detector(config, genotype).eval(), config, genotype, {})


def steps(name: str, folder: Path, batch: int) -> Mapping[str, Run]:
    """Return a pass of each runtime over the same images."""
    loaded, path = build(name), folder / f"{name}.onnx"
    if not path.exists():
        path.write_bytes(to_onnx(loaded, ExportConfig()).SerializeToString())
    graph = channels_last(Graph(fuse_conv_bn(loaded.detector), "boxes").eval())
    run = runner(path.read_bytes(), OUTPUT_NAMES["boxes"])
    images = torch.randn(batch, 3, HEIGHT, WIDTH)
    given = images.contiguous(memory_format=torch.channels_last)

    def with_torch() -> None:
        with torch.inference_mode():
            graph(given)

    return {"torch": with_torch, "onnxruntime": lambda: run(images)}


def main() -> None:
    """Print the table and write it with what is needed to repeat it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="where ONNX files are kept")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["d0", "d1", "d2"])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--commit", default="", help="commit to note in the file")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    rows: list[dict[str, object]] = []
    for name in options.models:
        for batch in options.batches:
            times = alternate(steps(name, options.folder, batch), options.repeats, clock)
            row: dict[str, object] = {"model": name, "batch": batch}
            for runtime, seconds in times.items():
                row[f"{runtime}_ms_per_image"] = round(1000 * median(seconds) / batch, 1)
            row["onnxruntime_to_torch"] = round(ratio(times["onnxruntime"], times["torch"]), 3)
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
            rows.append(row)
    if options.csv:
        about = {
            "size": f"{WIDTH}x{HEIGHT}",
            "threads": options.threads,
            "clock": clock.__name__,
            "commit": options.commit,
        }
        versions = {"onnxruntime": onnxruntime.__version__}
        write_rows(options.csv, rows, {**about, **versions})


if __name__ == "__main__":
    main()

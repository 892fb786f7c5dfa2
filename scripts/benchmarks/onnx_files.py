"""Latency of ONNX files side by side, in ONNX Runtime on the CPU.

    python scripts/benchmarks/onnx_files.py --files FILE... [--models d0 d0-dense] [--csv FILE]

Files are those of ``nasface export``; ``--models`` adds members of the family with random weights,
exported in the same way and kept in ``--folder``. All take turns in one process, round by round;
with one thread, time is processor time, so that other work on the machine counts little. Ratios are
to the first model, or else to the first file: the median of those taken inside each round.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from statistics import median

import onnxruntime
import torch
from measuring import alternate, ratio, write_rows
from onnx_latency import HEIGHT, WIDTH, build

from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.detection.zoo import MODELS
from nasface.inference.onnx_runtime import OUTPUT_NAMES, runner


def main() -> None:
    """Print the table and write it with what is needed to repeat it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--files", type=Path, nargs="+", required=True)
    parser.add_argument("--models", nargs="*", choices=MODELS, default=["d0-dense", "d0"])
    parser.add_argument("--folder", type=Path, help="where the models' files are kept")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--commit", default="", help="commit to note in the file")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    paths = {}
    for name in options.models:
        paths[name] = (options.folder or Path()) / f"{name}.onnx"
        if not paths[name].exists():
            paths[name].write_bytes(to_onnx(build(name), ExportConfig()).SerializeToString())
    paths |= {path.stem: path for path in options.files}
    images = torch.randn(1, 3, HEIGHT, WIDTH)
    steps = {
        name: partial(runner(path.read_bytes(), OUTPUT_NAMES["boxes"]), images)
        for name, path in paths.items()
    }
    clock = time.process_time if options.threads == 1 else time.perf_counter
    times = alternate(steps, options.rounds, clock)
    first = next(iter(times))
    rows: list[dict[str, object]] = [
        {
            "model": name,
            "median_ms": round(1000 * median(seconds), 2),
            "least_ms": round(1000 * min(seconds), 2),
            f"to_{first}": round(ratio(seconds, times[first]), 3),
        }
        for name, seconds in times.items()
    ]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if options.csv:
        about = {
            "size": f"{WIDTH}x{HEIGHT}",
            "threads": options.threads,
            "clock": clock.__name__,
            "rounds": options.rounds,
            "commit": options.commit,
            "onnxruntime": onnxruntime.__version__,
        }
        write_rows(options.csv, rows, about)


if __name__ == "__main__":
    main()

"""The paper's Table 4 on a CPU: its detectors and those they are compared with, side by side.

    python scripts/benchmarks/table4.py --folder DIR --csv FILE [--pairs d0 d1] [--repeats 3]

Each of D0 to D4 alternates with the detector that the table sets beside it, in torch and in ONNX
Runtime, with one image of 640 x 480, random weights, normalisations folded and without
suppression. One thread; milliseconds are of processor time, medians over the rounds, ratios medians
of those within a round. The profile is torch's: the share of a pass that convolutions of 3x3 and
more, 1x1, depthwise ones and all else take. Rows are written as they come, so that a
measurement can be stopped; ONNX files in DIR are used again.
"""

import argparse
import gc
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median

import onnxruntime
import torch
from measuring import Step, alternate, ratio, write_rows
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype
from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.deploy.traceable import Graph
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.detector import build_detector
from nasface.detection.necks.registry import uses_genotype
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE, TABLE_SIZE
from nasface.inference.onnx_runtime import OUTPUT_NAMES, runner
from nasface.nn.blocks import channels_last
from nasface.nn.cost import Cost
from nasface.nn.fuse import fuse_conv_bn

PAIRS: Mapping[str, tuple[str, float, float]] = {
    "d0": ("extd-64", 8.9, 34.4),
    "d1": ("srn-r50", 9.2, 55.1),
    "d2": ("retinaface-r50", 12.4, 29.3),
    "d3": ("pyramidbox-vgg16", 23.1, 54.5),
    "d4": ("dsfd-r152", 28.7, 83.3),
}
"""Model -> its peer in the table, and the milliseconds of both on the paper's GPU (P40)."""


def parts_of(name: str) -> tuple[DetectorConfig, Genotype | None]:
    """The settings of a detector of the zoo, and its genotype."""
    config = MODELS[name].detector
    return config, load_genotype(REFERENCE_GENOTYPE) if uses_genotype(config.neck) else None


def cost_of(name: str) -> Cost:
    """Parameters and multiply-adds of a detector of the zoo."""
    return detector_cost(*parts_of(name), *TABLE_SIZE)[0]


def build(name: str) -> LoadedDetector:
    """A detector of the zoo with random weights."""
    torch.manual_seed(0)
    config, genotype = parts_of(name)
    return LoadedDetector(build_detector(config, genotype).eval(), config, genotype, {})


def onnx_file(name: str, folder: Path) -> Path:
    """The ONNX file of a detector; written if it is not there."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        path.write_bytes(to_onnx(build(name), ExportConfig()).SerializeToString())
    return path


def network(name: str) -> nn.Module:
    """The detector as torch runs it for detection."""
    return channels_last(Graph(fuse_conv_bn(build(name).detector), "boxes").eval())


def step_of(module: nn.Module, images: Tensor) -> Step:
    """A pass of torch."""

    def step() -> None:
        with torch.inference_mode():
            module(images)

    return step


def shares(step: Step, passes: int = 3) -> dict[str, float]:
    """Share of the time of a few passes that each kind of convolution takes, and all else."""
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as seen:
        for _ in range(passes):
            step()
    times = dict.fromkeys(("dense", "pointwise", "depthwise", "other"), 0.0)
    for event in seen.key_averages(group_by_input_shape=True):
        times["other"] += event.self_cpu_time_total
        if event.key == "aten::conv2d":
            _, per_group, side, _ = event.input_shapes[1]
            kind = "depthwise" if per_group == 1 else "pointwise" if side == 1 else "dense"
            times[kind] += event.cpu_time_total
            times["other"] -= event.cpu_time_total
    total = sum(times.values())
    return {f"{kind}_share": round(each / total, 3) for kind, each in times.items()}


def measure(name: str, peer: str, folder: Path, repeats: int) -> list[dict[str, object]]:
    """Rows of a model and of its peer."""
    images = torch.randn(1, 3, *TABLE_SIZE)
    given = images.contiguous(memory_format=torch.channels_last)
    times: dict[tuple[str, str], list[float]] = {}
    profiles: dict[str, dict[str, float]] = {}
    steps = {each: step_of(network(each), given) for each in (name, peer)}
    for each, seconds in alternate(steps, repeats, time.process_time).items():
        times[each, "torch"] = seconds
        profiles[each] = shares(steps[each])
    del steps
    gc.collect()  # the large networks one at a time
    paths = {each: onnx_file(each, folder) for each in (name, peer)}
    runs = {each: runner(path.read_bytes(), OUTPUT_NAMES["boxes"]) for each, path in paths.items()}
    onnx_steps: dict[str, Step] = {each: partial(run, images) for each, run in runs.items()}
    for each, seconds in alternate(onnx_steps, repeats, time.process_time).items():
        times[each, "onnxruntime"] = seconds
    rows: list[dict[str, object]] = []
    for each in (name, peer):
        cost = cost_of(each)
        row: dict[str, object] = {
            "model": each,
            "beside": name,
            "parameters_m": round(cost.parameters / 1e6, 3),
            "macs_g": round(cost.macs / 1e9, 3),
        }
        for runtime in ("torch", "onnxruntime"):
            seconds = times[each, runtime]
            row[f"{runtime}_ms"] = round(1000 * median(seconds), 1)
            row[f"{runtime}_ratio"] = round(ratio(seconds, times[name, runtime]), 2)
        _, ours, theirs = PAIRS[name]
        row["paper_gpu_ms"] = ours if each == name else theirs
        row["paper_ratio"] = round((ours if each == name else theirs) / ours, 1)
        rows.append({**row, **profiles[each]})
    return rows


def main() -> None:
    """Measure pair after pair; write all rows after each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="where ONNX files are kept")
    parser.add_argument("--csv", type=Path, required=True, help="file to write the rows to")
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--commit", default="", help="commit to note in the file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    about = {
        "size": f"{TABLE_SIZE[1]}x{TABLE_SIZE[0]}",
        "threads": 1,
        "rounds": options.repeats,
        "commit": options.commit,
        "onnxruntime": onnxruntime.__version__,
    }
    rows: list[dict[str, object]] = []
    for name in options.pairs:
        found = measure(name, PAIRS[name][0], options.folder, options.repeats)
        for row in found:
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        rows += found
        write_rows(options.csv, rows, about)


if __name__ == "__main__":
    main()

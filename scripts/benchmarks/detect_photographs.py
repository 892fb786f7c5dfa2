"""Time of a whole ``nasface detect``, from files to pictures and lists, beside another version's.

    python scripts/benchmarks/detect_photographs.py FOLDER --against OTHER/bin/nasface
        --against-weights d0.safetensors [--model asfd-small] [--precision int8]
        [--preset original] [--rounds 2] [--csv FILE]

Every run is a process of its own on as many cores as it has threads (Linux; elsewhere on all); the
two programs take turns, in reversed order every round. Seconds that passed and seconds of processor
time, start of Python included. At last the parts of ours, one after another on one thread, of a
photograph that is shown once.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import get_args

import torch
from measuring import write_rows

import nasface
from nasface.data.images import read_image, write_image
from nasface.data.tensors import to_tensor
from nasface.inference.annotate import draw_boxes
from nasface.inference.onnx_runtime import Engine
from nasface.inference.predict import InferenceConfig, suppress
from nasface.inference.tta import Preset
from nasface.models import ReleasedPrecision


def run(program: list[str], threads: int) -> tuple[float, float]:
    """Return the seconds that passed, and those of processor time, of ``program --out FOLDER``."""
    with tempfile.TemporaryDirectory() as folder:
        before, started = os.times(), time.perf_counter()
        subprocess.run(
            [*program, "--out", str(Path(folder) / "out")],
            check=False,  # 2 says that there is no face, which random weights may say
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
        passed, after = time.perf_counter() - started, os.times()
        if not (Path(folder) / "out" / "detections.json").is_file():
            raise SystemExit(f"{' '.join(program)}: wrote no detections")
    used = after.children_user + after.children_system
    return passed, used - before.children_user - before.children_system


def parts(
    detector: nasface.FaceDetector, photographs: list[Path], engine: Engine
) -> dict[str, float]:
    """Return the milliseconds of processor time of each part of a photograph; the first one only
    warms up."""
    torch.set_num_threads(1)
    times: dict[str, list[float]] = defaultdict(list)
    last = time.process_time()

    def lap(part: str) -> None:
        nonlocal last
        now = time.process_time()
        times[part].append(1000 * (now - last))
        last = time.process_time()

    network, _ = detector.network_by(engine, len(photographs))
    device = next((each.device for each in network.parameters()), None)
    config = InferenceConfig().finding_from(0.5)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for path in photographs:
            last = time.process_time()
            image = read_image(path)
            lap("decode")
            batch = to_tensor(image)[None]
            if device is not None:
                batch = batch.contiguous(memory_format=torch.channels_last)
            lap("normalise")
            predictions = network(batch)
            lap(f"network, {engine}")
            found = suppress(predictions, config)
            lap("boxes and suppression")
            drawn = draw_boxes(image, found.boxes_N4.numpy(), found.scores_N.numpy())
            lap("draw")
            write_image(Path(folder) / f"{path.stem}.jpg", drawn)
            lap("encode and write")
    return {part: median(each[1:]) for part, each in times.items()}


def main() -> None:
    """Print the table and write it with what is needed to repeat it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="photographs (.jpg)")
    parser.add_argument("--model", default="asfd-small")
    parser.add_argument("--precision", choices=get_args(ReleasedPrecision), default="float32")
    parser.add_argument("--preset", choices=get_args(Preset), default="octaves")
    parser.add_argument("--against", help="program nasface of another version")
    parser.add_argument("--against-weights", help="weights that it takes")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--commit", default="", help="commit to note in the file")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    options = parser.parse_args()
    ours = shutil.which("nasface", path=str(Path(sys.executable).parent)) or "nasface"
    detect = ["detect", str(options.folder), "--weights"]
    label = f"{options.model}, {options.precision}, {options.preset}"
    settings = ["--precision", options.precision, "--inference.preset", options.preset]
    programs = {label: [ours, *detect, options.model, *settings]}
    if options.against:
        programs["other"] = [options.against, *detect, options.against_weights]
    photographs = sorted(options.folder.glob("*.jpg"))
    rows: list[dict[str, object]] = []
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    for threads in options.threads:
        if cores:
            os.sched_setaffinity(0, cores[:threads])
        for at in range(options.rounds):
            for name in list(programs) if at % 2 else list(programs)[::-1]:
                passed, used = run(programs[name], threads)
                row: dict[str, object] = {"what": name, "threads": threads, "round": at}
                row |= {"passed_s": round(passed, 1), "processor_s": round(used, 1)}
                print(row, flush=True)
                rows.append(row | {"photographs": len(photographs)})
    if cores:
        os.sched_setaffinity(0, cores)
    engines: tuple[Engine, ...] = ("onnxruntime", "torch")
    for engine in engines[: 1 if options.precision == "int8" else 2]:
        detector = nasface.load_detector(options.model, "cpu", precision=options.precision)
        for part, milliseconds in parts(detector, photographs[:16], engine).items():
            print(f"{part:24} {milliseconds:7.1f} ms", flush=True)
    if options.csv:
        write_rows(options.csv, rows, {"commit": options.commit})


if __name__ == "__main__":
    main()

"""Takes published detectors at full width through all that a user does with one.

    python scripts/checks/published_detectors.py extd-64 srn-r50 --out chain --csv chain.csv

Without names, all of them. Each is trained for two steps of two small images, evaluated, applied to
a photograph, drawn, counted and exported as ONNX, torch program and Python file, which the commands
compare with it; then cells are searched in the place of its neck, for one step of each kind, and
the detector of the result is trained. Each step is a command of ``nasface`` in a process forked
from this one (not on Windows). What a detector wrote is removed when it is done, its rows stay.
"""

import argparse
import csv
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch._dynamo  # noqa: F401  what torch imports on first use: once, not in each process

from nasface.cli.commands import commands
from nasface.cli.main import main as nasface
from nasface.detection.zoo_peers import PEERS
from nasface.synthetic.dataset import SampleConfig, write_sample

FIELDS = ("model", "step", "exit code", "processor time, s", "peak MB", "said")

Words = list[str | Path]
"""A command of nasface without its name."""


def steps(name: str, data: Path, out: Path) -> Iterator[tuple[str, Words]]:
    """Yield the commands of a detector, each with what the table calls it."""
    weights = out / "train" / "last.safetensors"
    photograph = next((data / "WIDER_val").rglob("*.jpg"))
    levels = PEERS[name].detector.levels
    small: Words = [*("--data", data, "--batch-size", "2", "--augment.size", "64"), "--epochs", "1"]
    small += ["--optimizer.warmup-steps", "1", "--device", "cpu"]
    around: Words = ["--genotype", out / "search" / "genotype.yaml"]
    around += ["--detector.neck", "genotype", "--detector.laterals", "projected"]
    yield "train", ["train", "--model", name, *small, "--out", out / "train"]
    yield "evaluate", ["evaluate", "--weights", weights, "--data", data, "--out", out / "scores"]
    yield "detect", ["detect", "--weights", weights, "--out", out / "found", photograph]
    yield "draw", ["draw", weights, "--out", out / "parts.svg"]
    yield "cost", ["cost", weights]
    for runtime in ("onnx", "torch"):
        to: Words = ["--to", runtime, "--size", "96x64", "--out", out / runtime]
        yield f"export to {runtime}", ["export", "--weights", weights, *to]
    cells: Words = ["--space", "autofem2", "--parameters", "levels", f"{levels[0]}-{levels[-1]}"]
    cells += ["--warmup-epochs", "0", "--out", out / "search"]
    yield "search around it", ["search", "--model", name, *cells, *small]
    yield "train the result", ["train", "--model", name, *around, *small, "--out", out / "result"]
    # The file takes images of any size, so it is compared on many, which takes longest.
    plain: Words = ["--to", "python", "--out", out / "python"]
    yield "export to python", ["export", "--weights", weights, *plain]


def run(command: Words) -> tuple[int, float, float, str]:
    """Return the exit code, seconds of processor time, peak resident memory in MB, and the last
    line said."""
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()  # what is imported is not imported again
        if child == 0:
            for stream in (1, 2):
                os.dup2(said.fileno(), stream)
            os._exit(nasface([*map(str, command)]))
        _, status, usage = os.wait4(child, 0)
        said.seek(0)
        lines = said.read().strip().splitlines() or [""]
    seconds = usage.ru_utime + usage.ru_stime
    return os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss * 1024 / 1e6, lines[-1]


def main() -> None:
    """Go through the steps of each detector; exit code 1 if one of them failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", metavar="MODEL", help="by default all")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    parser.add_argument("--csv", type=Path, required=True, help="file of the rows")
    parser.add_argument("--steps", nargs="+", help="by default all, each by its name in the table")
    given = parser.parse_args()
    list(commands())  # imports them
    given.out.mkdir()
    data = given.out / "data"
    write_sample(data, SampleConfig(train=4, val=1, max_side=224))
    with given.csv.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(FIELDS)
        failed = 0
        for name in given.models or PEERS:
            for step, command in steps(name, data, given.out / name):
                if given.steps and step not in given.steps:
                    continue
                code, seconds, peak, said = run(command)
                row = (name, step, code, f"{seconds:.1f}", f"{peak:.0f}", said if code else "")
                table.writerow(row)
                file.flush()
                print(*row, sep="  ", flush=True)
                failed += code != 0
            shutil.rmtree(given.out / name)  # weights of some hundred MB, five times
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

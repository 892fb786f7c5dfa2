"""A matrix of runtimes and forms: what each gives beside the detector, at four sizes, one image and
three.

    python scripts/benchmarks/runtimes.py asfd-nano --csv runtimes.csv
    python scripts/benchmarks/runtimes.py --summary runtimes.csv

The second prints one line for each runtime and form: the worst of all sizes and batches.

The images are a photograph of scikit-image, its mirror image and a darker one. A runtime whose
packages are not installed has no rows, and is named. ``--converter-python`` is that of ``nasface
export``, for LiteRT.
"""

import argparse
import csv
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from measuring import write_rows
from runtime_forms import FORMS, Clock, Form, Run
from skimage.data import astronaut
from torch import Tensor

from nasface.data.tensors import to_tensor
from nasface.deploy.config import ExportConfig
from nasface.detection.boxes import decode, iou
from nasface.detection.checkpoint import LoadedDetector
from nasface.inference.loading import read_detector
from nasface.inference.predict import SuppressionConfig, suppress
from nasface.models import weights_path
from nasface.structures import Predictions

SIZES = ("640x480", "131x97", "97x131", "320x320")
BATCHES = (1, 3)
COLUMNS = (
    "runtime",
    "form",
    "size",
    "batch",
    "boxes, px",
    "scores",
    "kept",
    "differ",
    "time",
    "MB",
)
_NEAR = 0.9
"""Intersection over union from which two detections are one."""


@dataclass(frozen=True)
class Case:
    """Images of one size, what the detector gives for them, and how long ONNX Runtime takes."""

    size: str
    images: Tensor
    wanted: Predictions
    reference: Run
    clock: Clock


def photographs(size: str, batch: int) -> Tensor:
    """Return the images (B, 3, H, W) as detectors take them."""
    width, height = map(int, size.split("x"))
    first = cv2.resize(astronaut(), (width, height), interpolation=cv2.INTER_AREA)
    three = [first, np.ascontiguousarray(first[:, ::-1]), (first // 2).astype(np.uint8)]
    return torch.stack([to_tensor(each) for each in three[:batch]])


def compare(form: Form, file: Path, case: Case, repeats: int) -> dict[str, str]:
    """Return the columns that a file of a form has."""
    run, clock = form.open(file)
    logits, deltas = run(case.images)
    wanted, given = case.wanted, case.wanted._replace(logits_BA2=logits, deltas_BA4=deltas)
    if any(one.shape != other.shape for one, other in zip(wanted[:2], given[:2], strict=True)):
        raise ValueError(f"outputs have shapes {[tuple(each.shape) for each in given[:2]]}")
    pixels = decode(wanted.deltas_BA4, wanted.anchors_A4) - decode(deltas, wanted.anchors_A4)
    scores = wanted.logits_BA2.softmax(2) - logits.softmax(2)
    kept = [
        [suppress(each, SuppressionConfig(), at) for at in range(len(logits))]
        for each in (wanted, given)
    ]
    differ = 0
    for one, other in zip(*kept, strict=True):
        overlaps = iou(one.boxes_N4, other.boxes_N4) > _NEAR
        differ += int((~overlaps.any(1)).sum() + (~overlaps.any(0)).sum())
    took = "" if clock is None else f"{relative_time(run, clock, case, repeats):.2f}"
    return {
        "boxes, px": f"{pixels.abs().max().item():.1e}",
        "scores": f"{scores.abs().max().item():.1e}",
        "kept": str(sum(map(len, kept[0]))),
        "differ": str(differ),
        "time": took,
        "MB": f"{megabytes(file):.2f}",
    }


def relative_time(run: Run, clock: Clock, case: Case, repeats: int) -> float:
    """Return the processor time over that of ONNX Runtime; both take turns."""
    ratios = []
    for _ in range(repeats):
        seconds = []
        for step, watch in ((run, clock), (case.reference, case.clock)):
            started = watch()
            step(case.images)
            seconds.append(watch() - started)
        ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios)


def megabytes(file: Path) -> float:
    """Return the size of a file, or of all in a folder, with its weights beside it."""
    beside = [file.with_suffix(".bin")] if file.suffix in (".xml", ".param") else []
    files = [each for each in file.rglob("*") if each.is_file()] if file.is_dir() else [file]
    return sum(each.stat().st_size for each in files + beside) / 1e6


def rows(
    loaded: LoadedDetector, form: Form, cases: list[Case], place: Path, options: argparse.Namespace
) -> Iterator[dict[str, str]]:
    """Yield the rows of a form; of what fails, the first words of the reason."""
    file: Path | None = None
    for number, case in enumerate(cases):
        batch = len(case.images)
        config = ExportConfig(
            size=case.size if form.fixed else "",
            batch=batch if form.fixed else 1,
            precision="fp16" if form.precision == "fp16" else "fp32",
            converter_python=options.converter_python if form.name == "litert" else "",
        )
        about = {
            "runtime": f"{form.name} ({form.version()})",
            "form": form.precision,
            "size": case.size,
            "batch": str(batch),
        }
        try:
            if file is None or form.fixed:
                file = form.write(loaded, place / str(number), config, case.images)
            yield about | compare(form, file, case, options.repeats)
        except Exception as problem:  # runtimes share no base of their errors
            text = " ".join(str(problem).rpartition("not written: ")[2].split()).replace("|", "/")
            yield about | {"boxes, px": f"fails: {text[-150:]}"}


def summary(found: list[dict[str, str]]) -> Iterator[str]:
    """Yield the lines of a table: what each form is at worst."""
    columns = ("cells", "boxes, px", "scores", "differ", "time at 640x480", "MB", "fails")
    yield f"| runtime | form | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 2)}"
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in found:
        groups.setdefault((row["runtime"], row["form"]), []).append(row)
    for (runtime, form), group in groups.items():
        ran = [row for row in group if row["kept"]]
        first = [row["time"] for row in ran if (row["size"], row["batch"]) == ("640x480", "1")]
        worst = [
            f"{max(float(row[name]) for row in ran):.1e}" if ran else "" for name in COLUMNS[4:6]
        ]
        differ, kept = (sum(int(row[name]) for row in ran) for name in ("differ", "kept"))
        size = max((row["MB"] for row in ran), default="")
        failed = sorted(
            {row["boxes, px"].removeprefix("fails: ") for row in group if not row["kept"]}
        )
        cells = [f"{len(ran)} of {len(group)}", *worst, f"{differ} of {kept}" if ran else ""]
        cells += [*(first or [""]), size, "; ".join(failed)]
        yield f"| {runtime} | {form} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table of the detector that is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("detector", nargs="?", default="asfd-nano")
    parser.add_argument(
        "--runtimes", nargs="+", help="names, such as onnx or 'web, Chromium'; by default all"
    )
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--converter-python", default="")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--summary", type=Path, help="file of --csv; nothing is measured")
    options = parser.parse_args()
    if options.summary:
        with options.summary.open(encoding="utf-8") as file:
            print("\n".join(summary(list(csv.DictReader(file)))))
        return
    torch.set_num_threads(1)
    loaded = read_detector(weights_path(options.detector))
    found = []
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        whole = FORMS[0].write(loaded, place / "onnx", ExportConfig(), torch.empty(0))
        reference, clock = FORMS[0].open(whole)
        assert clock is not None
        cases = []
        for size in options.sizes:
            for batch in BATCHES:
                images = photographs(size, batch)
                with torch.inference_mode():
                    wanted = loaded.detector(images)
                cases.append(Case(size, images, wanted, reference, clock))
        for number, form in enumerate(FORMS):
            names = (form.name, form.name.partition(",")[0])
            if options.runtimes and not set(names) & set(options.runtimes):
                continue
            missing = form.missing()
            if missing:
                print(f"{form.name}: no rows, {missing} is not installed", file=sys.stderr)
                continue
            (place / str(number)).mkdir()
            for row in rows(loaded, form, cases, place / str(number), options):
                found.append({name: row.get(name, "") for name in COLUMNS})
                print(f"| {' | '.join(found[-1].values())} |", flush=True)
    if options.csv:
        write_rows(options.csv, found, {"detector": options.detector})


if __name__ == "__main__":
    main()

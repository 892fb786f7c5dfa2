"""Where a detector's time goes on a CPU, and what two measures take off it.

    python scripts/benchmarks/detector_time.py [--model d0] [--csv FILE]

Four variants: with and without normalisations folded into convolutions, with and without the C
library keeping freed memory. The second concerns a whole process, so each variant runs in
processes of its own, which alternate. Inference is of one image of 640 x 480 with random weights,
with the anchors above the threshold that a trained detector has in a crowd; a training step has
eight crops of 320 x 320 and three faces each. Milliseconds are of CPU time on one thread, medians
over the rounds.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TypeVar

import torch
from measuring import write_rows

from nasface.arch.io import load_genotype
from nasface.detection.detector import Detector, build_detector
from nasface.detection.losses import DetectionLoss, LossConfig
from nasface.detection.matching import MatchConfig
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE
from nasface.engine.malloc import keep_freed_memory
from nasface.inference.predict import InferenceConfig, suppress
from nasface.nn.blocks import channels_last
from nasface.nn.fuse import fuse_conv_bn
from nasface.structures import Targets

VARIANTS = ("plain", "folded", "kept", "folded+kept")
CROWD = 500
FACES = torch.tensor([[10.0, 10, 40, 50], [100, 100, 180, 200], [200, 50, 216, 70]])

Result = TypeVar("Result")


class Clock:
    """Adds up what named parts of the work take, in milliseconds."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def time(self, part: str, work: Callable[[], Result]) -> Result:
        """Do the work."""
        started = time.process_time()
        result = work()
        self.times.setdefault(part, []).append(1000 * (time.process_time() - started))
        return result


def inference(detector: Detector, clock: Clock) -> None:
    """Run one image through the parts of a detector."""
    image = channels_last_images(1, 480, 640)
    clock.time("whole network", lambda: detector(image))
    pyramid = clock.time("pyramid", lambda: detector.trunk.pyramid(image))
    enhanced = clock.time("neck", lambda: detector.neck(pyramid))
    predictions = clock.time("heads", lambda: detector.trunk.predict(enhanced))
    predictions.logits_BA2[0, :CROWD, 1] += 10
    clock.time("decoding and suppression", lambda: suppress(predictions, InferenceConfig()))


def training(detector: Detector, clock: Clock) -> None:
    """Forward and backward pass of a batch, with and without the first shot."""
    images = channels_last_images(8, 320, 320)
    targets = [Targets(FACES, torch.zeros(len(FACES), dtype=torch.bool)) for _ in images]
    for name, weight in (("training step, two shots", 1.0), ("training step, one shot", 0.0)):
        loss = DetectionLoss(MatchConfig(), LossConfig(first_shot_weight=weight))

        def step(loss: DetectionLoss = loss) -> None:
            shots = detector.forward_train(images, first_shot=loss.uses_first_shot)
            loss(shots, targets).total.backward()

        clock.time(name, step)


def channels_last_images(batch: int, height: int, width: int) -> torch.Tensor:
    """Return random images."""
    images = torch.randn(batch, 3, height, width)
    return images.contiguous(memory_format=torch.channels_last)


def measure(model: str, variant: str, repeats: int) -> dict[str, float]:
    """Measure the parts of one variant, in a process of its own."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if "kept" in variant:
        keep_freed_memory()
    network = build_detector(MODELS[model].detector, load_genotype(REFERENCE_GENOTYPE))
    detector = channels_last(network).eval()
    clock = Clock()
    tested = fuse_conv_bn(detector) if "folded" in variant else detector
    for repeat in range(repeats + 2):
        if repeat == 2:
            clock.times.clear()
        with torch.inference_mode():
            inference(tested, clock)
    if "folded" not in variant:
        warm = Clock()
        for repeat in range(1 + repeats // 4):
            training(detector.train(), clock if repeat else warm)
    return {part: median(times) for part, times in clock.times.items()}


def main() -> None:
    """Print the table and write it with what is needed to repeat it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, default="d0")
    parser.add_argument("--repeats", type=int, default=12, help="images within a process")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each variant")
    parser.add_argument("--commit", default="", help="commit to note in the file")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(measure(options.model, options.variant, options.repeats)))
        return
    found: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
    for at in range(options.rounds):
        for variant in VARIANTS if at % 2 else VARIANTS[::-1]:
            command = [sys.executable, __file__, "--model", options.model, "--variant", variant]
            command += ["--repeats", str(options.repeats)]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            found[variant].append(json.loads(run.stdout))
    rows: list[dict[str, object]] = []
    for part in found["plain"][0]:
        row: dict[str, object] = {"model": options.model, "part": part}
        for variant, rounds in found.items():
            times = [each[part] for each in rounds if part in each]
            row[f"ms_{variant}"] = round(median(times), 1) if times else ""
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        rows.append(row)
    if options.csv:
        write_rows(options.csv, rows, {"threads": 1, "commit": options.commit})


if __name__ == "__main__":
    main()

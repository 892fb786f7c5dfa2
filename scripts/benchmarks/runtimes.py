"""A matrix of runtimes: what each gives beside the detector, at four sizes, one image and three.

    python scripts/benchmarks/runtimes.py asfd-nano > matrix.md

A runtime whose packages are not installed has no rows. ncnn sees one image of a fixed size.
"""

import importlib.metadata
import importlib.util
import sys
import tempfile
from pathlib import Path

import torch

from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import export_onnx
from nasface.deploy.parity import random_images, relative
from nasface.deploy.runtimes.registry import TARGETS, write_target
from nasface.detection.boxes import decode
from nasface.detection.checkpoint import LoadedDetector
from nasface.inference.loading import read_detector
from nasface.models import weights_path
from nasface.structures import Predictions

SIZES = ("640x480", "131x97", "97x131", "320x320")
FILES = {
    "onnx": ("detector.onnx", "onnxruntime"),
    "openvino": ("detector.xml", "openvino"),
    "mnn": ("detector.mnn", "MNN"),
    "ncnn": ("detector.ncnn.param", "ncnn"),
}


def write(loaded: LoadedDetector, name: str, size: str, folder: Path) -> Path:
    """The file of a runtime, of any size where it takes that."""
    file = folder / FILES[name][0]
    config = ExportConfig(size=size if name == "ncnn" else "", outputs="heads")
    if name == "onnx":
        folder.mkdir()
        export_onnx(loaded, file, config)
    else:
        write_target(loaded, name, folder, config)
    return file


def row(loaded: LoadedDetector, name: str, size: str, batch: int, file: Path) -> str:
    """One line of the table."""
    width, height = map(int, size.split("x"))
    images = random_images(batch, height, width)
    opener = TARGETS[name].open
    assert opener is not None
    with torch.inference_mode():
        wanted: Predictions = loaded.detector(images)
    logits, deltas = opener(file, 1)(images)
    boxes = [decode(each, wanted.anchors_A4) for each in (wanted.deltas_BA4, deltas)]
    scores = [each.softmax(2)[..., 1] for each in (wanted.logits_BA2, logits)]
    differences = [
        f"{relative(wanted.logits_BA2, logits):.1e}",
        f"{relative(wanted.deltas_BA4, deltas):.1e}",
        f"{(boxes[0] - boxes[1]).abs().max().item():.1e}",
        f"{(scores[0] - scores[1]).abs().max().item():.1e}",
        str(int(((scores[0] >= 0.5) != (scores[1] >= 0.5)).sum())),
    ]
    version = importlib.metadata.version(FILES[name][1])
    return f"| {name} {version} | {size} | {batch} | {' | '.join(differences)} |"


def main() -> None:
    """Print the table of the detector that is named."""
    loaded = read_detector(weights_path(sys.argv[1] if len(sys.argv) > 1 else "asfd-nano"))
    columns = "logits | offsets | boxes, px | scores | other at 0.5"
    print(f"| runtime | size | batch | {columns} |\n|{' --- |' * 8}")
    with tempfile.TemporaryDirectory() as place:
        for name in FILES:
            if any(importlib.util.find_spec(each) is None for each in TARGETS[name].needs):
                continue
            file: Path | None = None
            for size in SIZES:
                if file is None or name == "ncnn":
                    file = write(loaded, name, size, Path(place) / f"{name}-{size}")
                for batch in (1,) if name == "ncnn" else (1, 3):
                    print(row(loaded, name, size, batch, file), flush=True)


if __name__ == "__main__":
    main()

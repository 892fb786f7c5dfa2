"""``nasface evaluate widerface``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from nasface.cli.benchmark import (
    BenchmarkOptions,
    check,
    detections_of,
    images_of,
    open_folder,
    source_of,
    warn_of_gaps,
    write_results,
)
from nasface.cli.console import ConsoleProgress, print_json, print_table, say
from nasface.cli.options import parse
from nasface.data.check import DataCheck
from nasface.data.detections import Rows, read_detections
from nasface.data.reading import check_images
from nasface.data.records import Exif, ImageRecord
from nasface.data.widerface_truth import (
    WiderGroundTruth,
    read_ground_truth,
    read_text_truth,
    select_images,
)
from nasface.engine.config import WiderConfig
from nasface.engine.setup import data_folder
from nasface.metrics.widerface import WiderResult, score_wider
from nasface.plots.evaluation import plot_precision_recall
from nasface.runs.results import wider_curves, wider_figures

PLOT = "precision_recall.png"


@dataclass(kw_only=True)
class EvaluateWiderCommand(BenchmarkOptions):
    """WIDER FACE, official protocol: average precision on the easy, medium and hard faces.

    By face height, blur, occlusion, pose, illumination and event as well, over the hard faces. An
    image without detections counts as one where nothing was found, and is reported.
    """

    settings: Annotated[WiderConfig, tyro.conf.arg(name="")]


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    command = parse(EvaluateWiderCommand, arguments, "evaluate widerface")
    settings = command.settings
    check(settings, command)
    root = data_folder(settings.data)
    truth = _truth(settings, root)
    names = [image.name for image in truth]
    found: Mapping[str, Rows] = {}
    images = DataCheck([], [])
    if settings.detections:
        found = read_detections(Path(settings.detections), names)
    else:
        is_without_suffix = settings.ground_truth == "mat"
        there = images_of(names, root / "WIDER_val" / "images", command, is_without_suffix)
        shown = [image for image in truth if image.name in there]
        records = [_record(image, there[image.name], settings.exif) for image in shown]
        with ConsoleProgress() as progress:
            images = check_images(records, settings.bad_images, "validation", progress)
    folder = open_folder(settings, command)
    if settings.weights:
        found = detections_of(settings, images.readable, folder)
    result = score_wider(truth, found)
    figures = {
        "protocol": _protocol(settings, len(truth)),
        "inference": source_of(settings),
        "images_left_out": len(images.left_out),
        **wider_figures(result),
    }
    if folder is not None:
        write_results(folder, figures, wider_curves(result), PLOT, plot_precision_recall)
    if command.json:
        print_json(figures)
        return 0
    _print(result, figures)
    if folder is not None:
        say(f"plot       {folder.path / PLOT}")
    return 0


def _record(image: WiderGroundTruth, path: Path, exif: Exif) -> ImageRecord:
    """The same faces as boxes ``x1 y1 x2 y2`` of an image file."""
    corners_M2, sizes_M2 = image.boxes_M4[:, :2], np.maximum(image.boxes_M4[:, 2:], 0)
    boxes_M4 = np.concatenate([corners_M2, corners_M2 + sizes_M2], axis=1).astype(np.float32)
    return ImageRecord(image.name, path, boxes_M4, image.attributes, exif)


def _truth(settings: WiderConfig, root: Path) -> list[WiderGroundTruth]:
    if settings.ground_truth == "mat":
        truth = read_ground_truth(root / "ground_truth")
    else:
        truth = read_text_truth(root / "wider_face_split" / "wider_face_val_bbx_gt.txt")
    return select_images(truth, Path(settings.images)) if settings.images else truth


def _protocol(settings: WiderConfig, images: int) -> str:
    sets = "" if settings.ground_truth == "mat" else ", all valid faces"
    listed = f", only the {images} images listed in {Path(settings.images).name}"
    part = listed if settings.images else ""
    return f"WIDER FACE val, official protocol{sets}{part}"


def _print(result: WiderResult, figures: dict[str, Any]) -> None:
    print_table(
        f"{figures['protocol']}\n{figures['inference']}",
        ("", "faces", "AP"),
        [
            [name, str(each.faces), f"{each.ap:.4f}" if each.faces else ""]
            for name, each in result.sets.items()
        ],
    )
    largest = list(result.sets)[-1]
    rows = [
        [f"{group}: {value}", str(each.faces), f"{each.ap:.3f}"]
        for group, values in result.by.items()
        for value, each in values.items()
        if group != "event" and each.faces
    ]
    print_table(f"of the {largest} faces", ("", "faces", "AP"), rows)
    say(
        f"{figures['detections']} detections on {result.images} images; "
        f"{len(result.by['event'])} events are listed by --json"
    )
    warn_of_gaps(figures)

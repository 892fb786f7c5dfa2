"""``nasface evaluate fddb``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from numpy.typing import NDArray

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
from nasface.data.fddb import (
    ELLIPSE,
    FOLDS,
    FddbImage,
    read_fddb_detections,
    read_fddb_truth,
    write_fddb_detections,
)
from nasface.data.names import locate_images
from nasface.data.reading import check_images
from nasface.data.records import ImageRecord
from nasface.engine.config import FddbConfig
from nasface.engine.setup import data_folder
from nasface.errors import ConfigError
from nasface.metrics.fddb import READ_AT, boxes_to_ellipses, score_fddb
from nasface.plots.evaluation import plot_roc
from nasface.runs.results import fddb_curves, fddb_figures

PLOT = "roc.png"


@dataclass(kw_only=True)
class EvaluateFddbCommand(BenchmarkOptions):
    """FDDB, official protocol: true positive rates at 100, 500, 1000 and 2000 false positives.

    Regions are compared pixel by pixel, cut at the borders of the image where originalPics/ is
    there, else at 450 pixels, the longest side of an image of FDDB.
    """

    settings: Annotated[FddbConfig, tyro.conf.arg(name="")]


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    command = parse(EvaluateFddbCommand, arguments, "evaluate fddb")
    settings = command.settings
    check(settings, command)
    root = data_folder(settings.data)
    images = read_fddb_truth(root)
    names = [image.name for image in images]
    photographs = (root.parent if root.is_file() else root) / "originalPics"
    found: Mapping[str, NDArray[np.floating]] = {}
    if settings.detections:
        found = read_fddb_detections(Path(settings.detections), names)
        there = locate_images(photographs, names, any_suffix=True)
    else:
        there = images_of(names, photographs, command, any_suffix=True)
    if settings.ellipses:
        _check_ellipses(images, found)
    records = [
        ImageRecord(name, path, np.empty((0, 4), np.float32), {}, settings.exif)
        for name, path in there.items()
    ]
    with ConsoleProgress() as progress:
        checked = check_images(records, settings.bad_images, "FDDB", progress, has_boxes=False)
    folder = open_folder(settings, command)
    if settings.weights:
        found = detections_of(settings, checked.readable, folder)
    if settings.ellipses:
        found = boxes_to_ellipses(images, found)
    sizes = checked.sizes
    result = score_fddb(images, found, sizes)
    figures = {
        "protocol": _protocol(settings, len(sizes), images),
        "inference": source_of(settings),
        "images_left_out": len(checked.left_out),
        **fddb_figures(result),
    }
    if folder is not None:
        write_results(folder, figures, fddb_curves(result), PLOT, plot_roc)
        if settings.weights:
            write_fddb_detections(folder.path, images, found)
    if command.json:
        print_json(figures)
        return 0
    _print(figures)
    if folder is not None:
        say(f"plot       {folder.path / PLOT}")
    return 0


def _check_ellipses(images: Sequence[FddbImage], found: Mapping[str, NDArray[np.floating]]) -> None:
    if any(len(rows) and rows.shape[1] == ELLIPSE for rows in found.values()):
        raise ConfigError("ellipses: the detections are ellipses already")
    if len({image.fold for image in images}) == 1:
        raise ConfigError("ellipses: are fitted on other folds, and the annotations are one fold")


def _protocol(settings: FddbConfig, sizes: int, images: Sequence[FddbImage]) -> str:
    folds = sorted({image.fold for image in images})
    if folds == [0]:
        data = f"FDDB, {len(images)} images of one file"
    elif len(folds) == len(FOLDS):
        data = "FDDB, ten folds pooled"
    else:
        data = f"FDDB, only {len(folds)} of ten folds: {', '.join(map(str, folds))}"
    regions = "boxes turned into ellipses fitted on the other folds" if settings.ellipses else ""
    borders = "" if sizes == len(images) else f"borders of {len(images) - sizes} images not known"
    return ", ".join(each for each in (data, regions, borders) if each)


def _print(figures: dict[str, Any]) -> None:
    rows = [
        [str(at), *(f"{figures[rate][str(at)]:.4f}" for rate in ("discontinuous", "continuous"))]
        for at in READ_AT
    ]
    print_table(
        f"{figures['protocol']}\n{figures['inference']}",
        ("false positives", "discontinuous", "continuous"),
        rows,
    )
    faces = f"{figures['faces']} faces on {figures['images']} images"
    wrong = f"{figures['false_positives']} of them false positives"
    say(f"{figures['detections']} detections, {wrong}, {faces}")
    warn_of_gaps(figures)

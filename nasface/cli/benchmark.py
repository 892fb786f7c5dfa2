"""What the evaluations by the protocol of a benchmark share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from nasface.api.detector import load_detector
from nasface.cli.console import ConsoleProgress, say
from nasface.data.detections import Rows
from nasface.data.names import ImageNames, locate_images
from nasface.data.records import ImageRecord
from nasface.engine.config import FddbConfig, WiderConfig
from nasface.errors import ConfigError, DataError
from nasface.inference.batch import detect_images
from nasface.runs.folder import RunFolder
from nasface.runs.results import label_of, write_curves

if TYPE_CHECKING:
    import pandas as pd

Draw = Callable[[Mapping[str, "pd.DataFrame"], Path], Path]


@dataclass(kw_only=True)
class BenchmarkOptions:
    """Options of both commands beside their settings."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """New folder of the results: config.yaml, evaluation.json, curves.csv, a plot and, for weights,
    the detections. Without it figures are printed and nothing is written."""
    resume: bool = False
    """Go on with the evaluation that was stopped in the folder of --out."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""
    json: bool = False
    """Print the figures as JSON."""


def check(settings: WiderConfig | FddbConfig, options: BenchmarkOptions) -> None:
    """Raise :class:`ConfigError` unless exactly one of weights and detections is given."""
    if bool(settings.weights) == bool(settings.detections):
        raise ConfigError(
            "weights, detections: expected one of them; --weights FILE of nasface train, or "
            "--detections PATH of detections made elsewhere"
        )
    if options.resume and options.out is None:
        raise ConfigError("resume: needs --out, the folder of the stopped evaluation")


def open_folder(settings: WiderConfig | FddbConfig, options: BenchmarkOptions) -> RunFolder | None:
    """Make or re-open the folder of the results, if one is asked for.

    Call it when given detections and the ground truth have been read, so that a mistake in them
    leaves no folder behind.

    Raises:
        RunError: for a folder that is in use, or of an evaluation with other settings.
    """
    if options.out is None:
        return None
    folder = RunFolder(options.out)
    if options.resume:
        folder.check_same(settings)
    else:
        folder.create(settings)
    return folder


def images_of(
    images: Sequence[str], folder: Path, options: BenchmarkOptions, any_suffix: bool
) -> dict[str, Path]:
    """Those of the images, by name, that are there, for detections to be made of them.

    Call it before the folder of the results is opened.

    Raises:
        DataError: if none is there, or if detections, whose files have no suffixes, are to be
            written and two images differ in nothing else.
    """
    if options.out is not None:
        ImageNames(images)
    there = locate_images(folder, images, any_suffix)
    if not there:
        raise DataError(f"{folder / images[0]}: is missing, as are all {len(images)} images")
    return there


def detections_of(
    settings: WiderConfig | FddbConfig, images: Sequence[ImageRecord], folder: RunFolder | None
) -> dict[str, Rows]:
    """Detections of the weights on images that can be read."""
    network = load_detector(settings.weights, settings.device).network()
    place = None if folder is None else folder.path / "detections"
    with ConsoleProgress() as progress:
        return detect_images(network, images, settings.inference, progress, place)


def write_results(
    folder: RunFolder, figures: dict[str, Any], curves: "pd.DataFrame", plot: str, draw: Draw
) -> None:
    """Write figures, curves and their plot."""
    folder.write_json("evaluation.json", figures)
    write_curves(folder.path, curves)
    draw({label_of(folder.path): curves}, folder.path / plot)


def warn_of_gaps(figures: dict[str, Any]) -> None:
    """Say which images had no detections to score, and which detections no image."""
    if figures["images_left_out"]:
        say(f"left out   {figures['images_left_out']} images that cannot be read")
    missing, events = figures["images_without_entry"], figures.get("events_without_entry", [])
    if missing:
        whole = f", among them all of {len(events)} events" if events else ""
        say(
            f"missing    {missing} of {figures['images']} images have no detections{whole}; "
            "their faces count as not found"
        )
    if figures["entries_without_image"]:
        say(f"left out   detections of {figures['entries_without_image']} images not evaluated on")


def source_of(settings: WiderConfig | FddbConfig) -> str:
    """How the detections came about, in words."""
    return (
        settings.inference.describe()
        if settings.weights
        else f"detections {Path(settings.detections).name}"
    )

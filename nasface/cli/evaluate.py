"""``nasface evaluate``: on any annotated folder, or by the protocol of a benchmark."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.api.detector import load_detector
from nasface.cli import evaluate_fddb, evaluate_wider
from nasface.cli.console import ConsoleProgress, print_json, print_table, say
from nasface.cli.options import parse
from nasface.data.reading import describe_data, read_split
from nasface.engine.config import EvaluateConfig
from nasface.engine.evaluate import evaluate
from nasface.engine.setup import data_folder
from nasface.errors import ConfigError, DataError
from nasface.inference.predict import detections_as_rows
from nasface.plots.evaluation import plot_precision_recall
from nasface.runs.folder import RunFolder
from nasface.runs.results import plain_curves, write_curves

BENCHMARKS = {"widerface": evaluate_wider.run, "fddb": evaluate_fddb.run}


@dataclass(kw_only=True)
class EvaluateCommand:
    """Average precision of trained weights at IoU 0.5 on the annotated images of a data folder.

    By the protocols of benchmarks: `nasface evaluate widerface` and `nasface evaluate fddb` (each
    has a --help of its own). The output folder holds config.yaml, evaluation.json,
    detections.json, curves.csv and the precision-recall plot.
    """

    settings: Annotated[EvaluateConfig, tyro.conf.arg(name="")]
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """New folder of the results."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""
    json: bool = False
    """Print the figures as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    if arguments and arguments[0] in BENCHMARKS:
        return BENCHMARKS[arguments[0]](arguments[1:])
    command = parse(EvaluateCommand, arguments, "evaluate")
    settings = command.settings
    if not settings.weights:
        raise ConfigError("weights: is missing; expected a file of nasface train or an .onnx file")
    folder = RunFolder(command.out)
    folder.check_free()
    with ConsoleProgress() as progress:
        check = read_split(data_folder(settings.data), settings.split, settings, progress)
        if not any(record.valid_M.any() for record in check.records):
            raise DataError(
                f"{settings.data}: no valid face on the {len(check.records)} images of "
                f"{settings.split}; expected some, to score detections by"
            )
        detector = load_detector(settings.weights, settings.device)
        with folder.begun(settings, "evaluation"):
            result = evaluate(
                detector.network(), check.records, settings.inference, progress, check.left_out
            )
    folder.keep_data(describe_data({settings.split: check}))
    figures = result.figures()
    folder.write_json("evaluation.json", figures)
    found = {
        record.name: each
        for record, each in zip(check.records, result.detections, strict=True)
        if record.name not in result.left_out
    }
    folder.write_json("detections.json", detections_as_rows(found, found.values()))
    curves = plain_curves(result.ap)
    write_curves(command.out, curves)
    plot = command.out / "precision_recall.png"
    plot_precision_recall({detector.name: curves}, plot)
    if command.json:
        print_json(figures)
        return 0
    bands = [
        [f"faces {band}", str(each.faces), f"{each.ap:.3f}" if each.faces else ""]
        for band, each in result.by_height.items()
    ]
    print_table(
        figures["protocol"],
        ("", "faces", "AP"),
        [["all", str(result.ap.faces), f"{result.ap.ap:.3f}"], *bands],
    )
    if result.left_out:
        count = f"{len(result.left_out)} of {len(check.records)} images"
        say(f"left out   {count} that cannot be read; their faces count as not found")
    say(f"plot       {plot}")
    return 0

"""``nasface cost``."""

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from nasface.api.costs import (
    MODEL_LISTS,
    ModelCost,
    count_detector,
    count_necks,
    count_zoo,
    predict_latency,
)
from nasface.cli.console import print_json, print_table, say
from nasface.cli.options import parse
from nasface.detection.config import DetectorConfig
from nasface.detection.latency import load_latency_table
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE, TABLE_SIZE
from nasface.io.sizes import parse_size


@dataclass(kw_only=True)
class CostCommand:
    """Parameters and multiply-adds of a detector, or of several beside the published figures.

    Multiply-adds are those of convolutions in one inference on one image; normalisation, activation
    and resampling are not counted.
    """

    settings: Annotated[DetectorConfig, tyro.conf.arg(name="")]
    model: tyro.conf.Positional[str]
    """Detector of the zoo (d0 to d6, d0-dense to d6-dense, retinaface-r50), `family` for all of D0
    to D6, `peers` for all others, genotype (packaged name or YAML file), hand-made neck (fpn,
    fem-fpn+ssh), `necks` for all of these in one detector, or weights (.safetensors, .onnx, or
    a released detector by name), which carry their own settings."""
    genotype: str = REFERENCE_GENOTYPE
    """Genotype of a model that takes one, or of all."""
    size: str = "640x480"
    """Width and height of the image."""
    latency: Annotated[Path | None, tyro.conf.arg(metavar="TABLE.yaml")] = None
    """Table of `nasface latency measure`: the milliseconds of a genotype's detector by it, whose
    detector and image size are the table's."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of detector settings; options given here override it."""
    json: bool = False
    """Print the figures as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    named = next((word for word in arguments if word in MODELS), None)
    base = None if named is None else MODELS[named].detector
    command = parse(CostCommand, arguments, "cost", base)
    size = parse_size(command.size)
    if command.latency is not None:
        return _latency(command, command.latency)
    if command.model in MODEL_LISTS:
        return _models(command, size)
    if command.model == "necks":
        return _necks(command, size)
    found = count_detector(command.model, command.settings, command.genotype, size=size)
    if command.json:
        print_json({"size": command.size, "parts": [asdict(row) for row in found.parts]})
        return 0
    print_table(
        f"{found.title} at {command.size}",
        ("part", "parameters", "MACs"),
        [[row.part, f"{row.parameters:,}", f"{row.macs:,}"] for row in found.parts],
    )
    return 0


def _latency(command: CostCommand, path: Path) -> int:
    """Print the predicted time of a genotype in the detector of a latency table."""
    table = load_latency_table(path)
    title, parts = predict_latency(table, command.model, command.genotype)
    if command.json:
        print_json({"engine": table.engine, "size": table.size, "milliseconds": parts})
        return 0
    print_table(
        f"{title} at {table.size[0]}x{table.size[1]} by {path}, "
        f"{table.engine} on {table.machine}, {table.threads} thread(s)",
        ("part", "ms"),
        [[part, f"{value:.3f}"] for part, value in parts.items()],
    )
    return 0


def _necks(command: CostCommand, size: tuple[int, int]) -> int:
    """Print the hand-made necks, and that of the genotype, in a detector of the given settings."""
    found = count_necks(command.settings, command.genotype, size=size)
    if command.json:
        print_json({"size": command.size, "necks": [asdict(each) for each in found]})
        return 0
    print_table(
        f"necks of {command.settings.channels} channels at {command.size}, alone and in the "
        f"detector with {command.settings.backbone}",
        ("neck", "parameters", "MACs", "parameters", "MACs"),
        [
            [f"{value:,}" if isinstance(value, int) else str(value) for value in astuple(each)]
            for each in found
        ],
    )
    return 0


def _models(command: CostCommand, size: tuple[int, int]) -> int:
    """Print the detectors; at the size of the paper's table, beside the published figures."""
    found = count_zoo(command.model, command.genotype, size=size)
    if command.json:
        named = {} if found.genotype is None else {"genotype": found.genotype}
        print_json({**named, "models": [_json(each) for each in found.models]})
        return 0
    columns = ["model", "params M", "published", "MACs G", "published"]
    rows = [
        [
            each.model,
            f"{each.parameters / 1e6:.3f}",
            _published(each.parameters, each.published_parameters, 1e6),
            f"{each.macs / 1e9:.3f}",
            _published(each.macs, each.published_macs, 1e9),
        ]
        for each in found.models
    ]
    if size != TABLE_SIZE:  # nothing is published of other images
        columns, rows = [columns[0], columns[1], columns[3]], [[*row[:2], row[3]] for row in rows]
    print_table(f"{found.title} at {command.size}", columns, rows)
    for note in found.notes:
        say(note)
    return 0


def _json(cost: ModelCost) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "model": cost.model,
        "parameters": cost.parameters,
        "macs": cost.macs,
    }
    if cost.published_parameters and cost.published_macs:
        figures |= {
            "published_parameters_m": cost.published_parameters / 1e6,
            "published_macs_g": cost.published_macs / 1e9,
            "parameters_to_published": round(cost.parameters / cost.published_parameters, 4),
            "macs_to_published": round(cost.macs / cost.published_macs, 4),
        }
    return figures


def _published(counted: int, published: float | None, unit: float) -> str:
    """Return a published figure, and how much more than it was counted."""
    if published is None:
        return "-"
    return f"{published / unit:g} {100 * counted / published - 100:+.1f}%"

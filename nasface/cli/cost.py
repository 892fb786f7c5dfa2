"""``nasface cost``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype, packaged_names
from nasface.cli.console import print_json, print_table
from nasface.cli.options import parse
from nasface.detection.checkpoint import read_checkpoint
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import FRAME, detector_cost
from nasface.detection.latency import load_latency_table
from nasface.detection.necks.registry import GENOTYPE, NECK_PARTS, NONE, is_hand_made, uses_genotype
from nasface.detection.zoo import FAMILY, MODELS, REFERENCE_GENOTYPE, TABLE_SIZE
from nasface.detection.zoo_peers import PEERS, ModelSpec
from nasface.errors import ConfigError, one_of
from nasface.models import released_models, weights_path


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
    fem-fpn+ssh), `necks` for all of these in one detector, or weights (.safetensors, or a released
    detector by name), which carry their own settings."""
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
    """Run the command; returns the exit code."""
    named = next((word for word in arguments if word in MODELS), None)
    base = None if named is None else MODELS[named].detector
    command = parse(CostCommand, arguments, "cost", base)
    match = re.fullmatch(r"([1-9]\d{1,4})x([1-9]\d{1,4})", command.size)
    if match is None:
        raise ConfigError(f"size: {command.size!r}, expected WIDTHxHEIGHT such as 640x480")
    width, height = int(match[1]), int(match[2])
    if command.latency is not None:
        return _latency(command)
    genotype: Genotype | None
    if command.model == "family":
        genotype = load_genotype(command.genotype)
        return _several(FAMILY, genotype, (height, width), command.json)
    if command.model == "peers":
        return _several(PEERS, None, (height, width), command.json)
    if command.model == "necks":
        return _necks(command, (height, width))
    if command.model.endswith(".safetensors") or command.model in released_models():
        loaded = read_checkpoint(weights_path(command.model))
        config, genotype, title = loaded.config, loaded.genotype, loaded.name
    elif is_hand_made(command.model):
        config, genotype = replace(command.settings, neck=command.model), None
        title = f"neck {command.model}"
    elif not uses_genotype(command.settings.neck):
        if command.model not in MODELS:
            raise ConfigError(
                f"neck: {command.settings.neck} has no place for genotype {command.model}"
            )
        config, genotype = command.settings, None
        title = f"{command.model}, neck {config.neck}"
    else:
        name = command.genotype if command.model in MODELS else command.model
        known = [*MODELS, *packaged_names("nasface.genotypes")]
        if name not in known and Path(name).suffix not in (".yaml", ".yml"):
            raise ConfigError(
                f"model: unknown {name!r}; expected weights, a genotype's YAML file, a neck, "
                f"family, necks, or {one_of(name, [*known, *released_models()])}"
            )
        config, genotype = command.settings, load_genotype(name)
        title = (
            genotype.name if command.model not in MODELS else f"{command.model}, {genotype.name}"
        )
    rows = detector_cost(config, genotype, height, width)
    if command.json:
        print_json({"size": command.size, "parts": [asdict(row) for row in rows]})
        return 0
    print_table(
        f"{title} at {command.size}",
        ("part", "parameters", "MACs"),
        [[row.part, f"{row.parameters:,}", f"{row.macs:,}"] for row in rows],
    )
    return 0


def _latency(command: CostCommand) -> int:
    """The predicted time of a genotype in the detector of a latency table."""
    table = load_latency_table(command.latency or Path())
    name = command.genotype if command.model in MODELS else command.model
    genotype = load_genotype(name)
    cells = {cell: table.of_cell(genotype, cell) for cell in genotype.cells}
    whole = table.predict(genotype)
    parts = {"total": whole, "trunk": whole - sum(cells.values()), **cells}
    if command.json:
        print_json({"engine": table.engine, "size": table.size, "milliseconds": parts})
        return 0
    print_table(
        f"{genotype.name} at {table.size[0]}x{table.size[1]} by {command.latency}, "
        f"{table.engine} on {table.machine}, {table.threads} thread(s)",
        ("part", "ms"),
        [[part, f"{value:.3f}"] for part, value in parts.items()],
    )
    return 0


def _necks(command: CostCommand, size: tuple[int, int]) -> int:
    """The hand-made necks, and that of the genotype, in a detector of the given settings."""
    found = []
    for name in (NONE, *NECK_PARTS, GENOTYPE):
        genotype = load_genotype(command.genotype) if name == GENOTYPE else None
        rows = detector_cost(replace(command.settings, neck=name), genotype, *size)
        trunk = [row for row in rows if row.part in FRAME]
        found.append(
            {
                "neck": name if genotype is None else genotype.name,
                "parameters": rows[0].parameters - sum(row.parameters for row in trunk),
                "macs": rows[0].macs - sum(row.macs for row in trunk),
                "detector_parameters": rows[0].parameters,
                "detector_macs": rows[0].macs,
            }
        )
    if command.json:
        print_json({"size": command.size, "necks": found})
        return 0
    print_table(
        f"necks of {command.settings.channels} channels at {command.size}, alone and in the "
        f"detector with {command.settings.backbone}",
        ("neck", "parameters", "MACs", "parameters", "MACs"),
        [
            [f"{value:,}" if isinstance(value, int) else str(value) for value in each.values()]
            for each in found
        ],
    )
    return 0


def _several(
    models: Mapping[str, ModelSpec],
    genotype: Genotype | None,
    size: tuple[int, int],
    as_json: bool,
) -> int:
    """Detectors; at the size of the paper's table, beside the published figures."""
    found: list[dict[str, Any]] = []
    for name, row in models.items():
        total = detector_cost(row.detector, genotype, *size)[0]
        figures = {"model": name, "parameters": total.parameters, "macs": total.macs}
        if size == TABLE_SIZE and row.parameters and row.macs:
            figures |= {
                "published_parameters_m": row.parameters,
                "published_macs_g": row.macs,
                "parameters_to_published": round(total.parameters / row.parameters / 1e6, 4),
                "macs_to_published": round(total.macs / row.macs / 1e9, 4),
            }
        found.append(figures)
    if as_json:
        named = {} if genotype is None else {"genotype": genotype.name}
        print_json({**named, "models": found})
        return 0
    columns = ["model", "parameters M", "MACs G"]
    rows = [
        [each["model"], f"{each['parameters'] / 1e6:.3f}", f"{each['macs'] / 1e9:.3f}"]
        for each in found
    ]
    if size == TABLE_SIZE:
        columns += ["published", "published", "to it, %", "to it, %"]
        for cells, each in zip(rows, found, strict=True):
            if "published_macs_g" not in each:
                cells += ["-"] * 4
                continue
            cells += [f"{each['published_parameters_m']:g}", f"{each['published_macs_g']:g}"]
            cells += [
                f"{100 * each[f'{key}_to_published'] - 100:+.1f}" for key in ("parameters", "macs")
            ]
    title = "published detectors" if genotype is None else f"family with {genotype.name}"
    print_table(f"{title} at {size[1]}x{size[0]}", columns, rows)
    return 0

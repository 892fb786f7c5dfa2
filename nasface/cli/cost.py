"""``nasface cost``."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.cli.console import print_json, print_table
from nasface.cli.options import parse
from nasface.errors import ConfigError
from nasface.faces.cost import detector_cost
from nasface.faces.detector import DetectorConfig
from nasface.faces.weights import load_detector
from nasface.spec.genotype import Genotype
from nasface.spec.store import load_genotype


@dataclass(kw_only=True)
class CostCommand:
    """Parameters and multiply-adds of the detector of a genotype or a weights file.

    Multiply-adds are those of convolutions in one inference on one image; normalisation, activation
    and resampling are not counted.
    """

    settings: Annotated[DetectorConfig, tyro.conf.arg(name="")]
    model: tyro.conf.Positional[str]
    """Genotype (packaged name or YAML file), or weights (.safetensors), which carry their own
    settings."""
    size: str = "640x480"
    """Width and height of the image."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of detector settings; options given here override it."""
    json: bool = False
    """Print the figures as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    command = parse(CostCommand, arguments, "cost")
    match = re.fullmatch(r"([1-9]\d{1,4})x([1-9]\d{1,4})", command.size)
    if match is None:
        raise ConfigError(f"size: {command.size!r}, expected WIDTHxHEIGHT such as 640x480")
    width, height = int(match[1]), int(match[2])
    genotype: Genotype
    if command.model.endswith(".safetensors"):
        loaded = load_detector(Path(command.model))
        config, genotype = loaded.config, loaded.genotype
    else:
        config, genotype = command.settings, load_genotype(command.model)
    rows = detector_cost(config, genotype, height, width)
    if command.json:
        print_json({"size": command.size, "parts": [asdict(row) for row in rows]})
        return 0
    print_table(
        f"{genotype.name} at {command.size}",
        ("part", "parameters", "MACs"),
        [[row.part, f"{row.parameters:,}", f"{row.macs:,}"] for row in rows],
    )
    return 0

"""``nasface export``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.api.detector import load_detector
from nasface.cli.console import console_progress, say
from nasface.cli.options import parse
from nasface.export.config import ExportConfig
from nasface.export.registry import export_format


@dataclass(kw_only=True)
class ExportCommand:
    """Write a trained detector in a form that runs without this toolkit.

    The suffix of --out says which: .onnx for ONNX Runtime and others; .pt2 for a program of
    torch.export; .py for a module of plain torch code to read and change, with its weights beside
    it as .safetensors. Any batch, height and width, from 129 pixels in a program. The file is
    compared with the detector on images of eight sizes, one and four at a time,
    and written only if it agrees, plain code to the last bit.
    """

    settings: Annotated[ExportConfig, tyro.conf.arg(name="")]
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """File to write."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""
    overwrite: bool = False
    """Replace a file that is there."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    command = parse(ExportCommand, arguments, "export")
    settings = command.settings
    form = export_format(command.out)
    detector = load_detector(settings.weights, "cpu")
    with console_progress() as progress:
        worst = detector.export(
            command.out, settings, overwrite=command.overwrite, report=progress.note
        )
    say(f"wrote      {', '.join(map(str, form.files(command.out, settings.outputs)))}")
    say(f"agrees     greatest relative difference {worst}")
    return 0

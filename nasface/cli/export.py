"""``nasface export``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.api.loading import load_detector
from nasface.cli.console import console_progress, say
from nasface.cli.options import parse
from nasface.deploy.config import ExportConfig
from nasface.deploy.registry import export_format


@dataclass(kw_only=True)
class ExportCommand:
    """Write a trained detector in a form that runs without this toolkit.

    The suffix of --out says which: .onnx for ONNX Runtime and others; .pt2 for a program of
    torch.export; .py for a module of plain torch code to read and change, with its weights beside
    it as .safetensors. With --to NAME, --out is a new folder for that runtime: its own files, a
    card (README.md) and a program that finds the faces of a photograph (detect.py). --to web
    writes a page for the browser, which nasface serve shows. Any batch, height and width, from
    129 pixels in a program. Each file is compared with the detector on images of eight sizes, one
    and four at a time, and written only if it agrees, plain code to the last bit.
    """

    settings: Annotated[ExportConfig, tyro.conf.arg(name="")]
    out: Annotated[Path, tyro.conf.arg(metavar="PATH")]
    """File to write, or with --to the folder."""
    to: str = ""
    """Runtime: onnx, openvino, mnn, ncnn, litert, executorch, coreml, torch, python or web. It
    chooses the outputs."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""
    overwrite: bool = False
    """Replace what is there."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse(ExportCommand, arguments, "export")
    settings = command.settings
    form = None if command.to else export_format(command.out)
    detector = load_detector(settings.weights, "cpu")
    with console_progress() as progress:
        worst = detector.export(
            command.out,
            settings,
            to=command.to,
            overwrite=command.overwrite,
            progress=progress,
        )
    files = [command.out] if form is None else form.files(command.out, settings.outputs)
    say(f"wrote      {', '.join(map(str, files))}")
    say(f"agrees     greatest relative difference {worst}")
    return 0

"""``nasface export``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.cli.console import ConsoleProgress, say
from nasface.cli.options import parse
from nasface.detection.checkpoint import load_detector
from nasface.errors import ConfigError
from nasface.export.config import ExportConfig
from nasface.export.files import check_free
from nasface.export.onnx import export_onnx
from nasface.export.python_source.file import export_python
from nasface.export.torch_export import export_program

FORMS = {".onnx": export_onnx, ".pt2": export_program, ".py": export_python}


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
    if not settings.weights:
        raise ConfigError("weights: is missing; expected a .safetensors file of nasface train")
    if command.out.suffix not in FORMS:
        raise ConfigError(f"{command.out}: unknown form; expected {', '.join(FORMS)}")
    for path in written(command.out):
        if path.resolve() == Path(settings.weights).resolve():
            raise ConfigError(f"{path}: holds the weights to export; expected another --out")
        check_free(path, command.overwrite)
    loaded = load_detector(Path(settings.weights))
    with ConsoleProgress() as progress:
        worst = FORMS[command.out.suffix](loaded, command.out, settings, progress.note)
    say(f"wrote      {', '.join(str(path) for path in written(command.out))}")
    say(f"agrees     greatest relative difference {worst}")
    return 0


def written(out: Path) -> list[Path]:
    """The files that an export makes."""
    return [out, out.with_suffix(".safetensors")] if out.suffix == ".py" else [out]

"""``nasface sample``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.cli.console import console_progress, print_json, say
from nasface.cli.options import parse
from nasface.io.files import write_text
from nasface.io.yaml import to_yaml
from nasface.synthetic.dataset import SampleConfig, write_sample


@dataclass(kw_only=True)
class SampleCommand:
    """Write a small data set in WIDER FACE layout, made from what comes with scikit-image.

    Real face crops are placed on photographs, varied in scale, rotation, light, blur and occlusion.
    Training and validation share neither faces nor photographs. The same seed gives the same files.
    """

    settings: Annotated[SampleConfig, tyro.conf.arg(name="")]
    folder: tyro.conf.Positional[Path]
    """New folder."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings, or preset:NAME (see nasface presets); options override it."""
    json: bool = False
    """Print what was written as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse(SampleCommand, arguments, "sample")
    settings = command.settings
    with console_progress() as progress:
        progress.start("sample", settings.train + settings.val)
        write_sample(command.folder, settings, lambda _done, _total: progress.advance())
    write_text(command.folder / "config.yaml", to_yaml(settings))
    if command.json:
        print_json({"folder": str(command.folder), "train": settings.train, "val": settings.val})
        return 0
    say(f"{settings.train} training and {settings.val} validation images in {command.folder}")
    say(f"next       nasface search --data {command.folder} --out FOLDER")
    return 0

"""``nasface train``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.api.training import TrainResult, train_from_config
from nasface.cli.console import console_progress, pictures_if_possible, print_json, say
from nasface.cli.options import parse, peek_setting
from nasface.engine.train import TrainConfig, train_config_of
from nasface.errors import ConfigError
from nasface.models import released_models
from nasface.runs.folder import read_summary

SHORT_WORDS = {
    "--backbone": "--detector.backbone",
    "--neck": "--detector.neck",
    "--head": "--detector.head",
    "--loss": "--loss.classification",
}
"""Options as they may be given -> their names."""


@dataclass(kw_only=True)
class TrainCommand:
    """Train a detector on the training images of a data folder.

    --model names the detector, --genotype the cells of its neck; --neck takes a hand-made neck
    instead. preset:asfd-nano-finetune goes on with a released detector. --backbone, --neck and
    --head are short for --detector.backbone and so on, --loss for --loss.classification.

    The run folder holds config.yaml, genotype.yaml, metrics.jsonl and its plot, checkpoint.pt, and
    the weights best.safetensors and last.safetensors. Ctrl-C stops with a checkpoint, and --resume
    goes on.
    """

    settings: Annotated[TrainConfig, tyro.conf.arg(name="")]
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """New folder of the run."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings, or preset:NAME (see nasface presets); options override it."""
    resume: bool = False
    """Go on with the stopped run in --out, with its settings."""
    json: bool = False
    """Print the figures of the training as JSON."""


def _base(arguments: Sequence[str]) -> TrainConfig | None:
    """Return the settings of the model that the command line, or its file of settings, names."""
    name = peek_setting(arguments, "model", "train")
    if name in released_models():
        raise ConfigError(
            f"model: {name} is a released detector; expected --config preset:{name}-finetune, "
            "which goes on with it, or a model of the zoo"
        )
    return train_config_of(name) if name else None


def _full_name(found: re.Match[str]) -> str:
    """Return the name of an option that may be a short one."""
    return SHORT_WORDS.get(found[0], found[0])


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    arguments = [re.sub(r"^--\w+(?==|$)", _full_name, word) for word in arguments]
    command = parse(TrainCommand, arguments, "train", _base(arguments))
    with console_progress() as progress:
        result = train_from_config(
            command.settings, out=command.out, resume=command.resume, progress=progress
        )
    if not result.is_first:
        return 0
    curves = _draw_curves(result, command.out / "metrics.png")
    if not result.finished:
        progress.note(f"stopped; go on with: nasface train --out {command.out} --resume")
        return 130
    summary = read_summary(command.out)
    if command.json:
        print_json({"folder": str(command.out), **summary})
        return 0
    best, figure = command.out / "best.safetensors", "no AP: no face to find when validating"
    if summary["best_ap"] is None:
        best = command.out / "last.safetensors"
    else:
        figure = f"AP {summary['best_ap']:.3f} at IoU 0.5"
    say(f"weights    {best}  {figure}")
    if curves is not None:
        say(f"curves     {curves}")
    say(f"next       nasface detect --weights {best} --out FOLDER IMAGE ...")
    return 0


def _draw_curves(result: TrainResult, path: Path) -> Path | None:
    if result.history:
        with pictures_if_possible():
            result.plot(path)
            return path
    return None

"""``nasface evaluate``: detections scored by a protocol."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, make_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import tyro

from nasface.api.evaluate_config import EvaluateConfig, evaluate_config
from nasface.api.evaluation import PLOT, evaluate
from nasface.cli.console import (
    console_progress,
    count_of,
    print_json,
    print_table,
    rounded,
    say,
)
from nasface.cli.options import parse, peek_setting
from nasface.engine.evaluate import Evaluation
from nasface.errors import ConfigError
from nasface.metrics.protocol import TableRow
from nasface.metrics.registry import PROTOCOLS

DEFAULT_PROTOCOL = "ap"

_MAX_ROWS = 12
"""Groups with more rows, such as the 61 events of WIDER FACE, are left to --json."""


@dataclass(kw_only=True)
class EvaluateOptions:
    """Options of an evaluation by any protocol, beside its settings."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """New folder of the results: config.yaml, evaluation.json, curves.csv with their plot and, for
    weights, the detections. Without it figures are printed and nothing is written."""
    resume: bool = False
    """Go on with the evaluation that was stopped in the folder of --out."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""
    json: bool = False
    """Print the figures as JSON."""


def evaluate_command(protocol: str) -> type[Any]:
    """Return the command line of an evaluation by a protocol.

    Raises:
        ConfigError: for an unknown protocol.
    """
    config: Any = evaluate_config(protocol)
    return _command_of(config, protocol)


@cache
def _command_of(config: Any, protocol: str) -> type[Any]:
    kind = make_dataclass(
        "EvaluateCommand",
        [("settings", Annotated[config, tyro.conf.arg(name="")])],
        bases=(EvaluateOptions,),
        kw_only=True,
    )
    others = ", ".join(name for name in PROTOCOLS if name != protocol)
    kind.__doc__ = (
        f"{PROTOCOLS.find(protocol).text}\n\nOther protocols: {others}, each with a --help of its "
        "own: nasface evaluate NAME --help."
    )
    return kind


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    named, arguments = _named(arguments)
    protocol = named or _protocol(arguments)
    verb = f"evaluate {protocol}" if named else "evaluate"
    command = parse(evaluate_command(protocol), arguments, verb)
    settings: EvaluateConfig = command.settings
    if settings.protocol != protocol:
        raise ConfigError(f"protocol: {settings.protocol}, but the command names {protocol}")
    if bool(settings.weights) == bool(settings.detections):
        raise ConfigError(
            "weights, detections: expected one of them; --weights FILE of nasface train, or "
            "--detections PATH of detections made elsewhere"
        )
    if not settings.data:
        raise ConfigError("data: is missing; expected the folder of annotated images")
    if command.resume and command.out is None:
        raise ConfigError("resume: needs --out, the folder of the stopped evaluation")
    with console_progress() as progress:
        result = evaluate(
            settings.weights or Path(settings.detections),
            settings.data,
            protocol,
            inference=settings.inference,
            also=settings.also,
            device=settings.device,
            bad_images=settings.bad_images,
            out=command.out,
            resume=command.resume,
            progress=progress,
            **{
                each.name: getattr(settings, each.name)
                for each in fields(PROTOCOLS.find(protocol).options)
            },
        )
    if command.json:
        also = {name: each.figures() for name, each in result.also.items()}
        print_json({**result.figures(), **({"also": also} if also else {})})
        return 0
    for each in (result, *result.also.values()):
        _print(each)
    if command.out is not None and (command.out / PLOT).is_file():
        say(f"plot       {command.out / PLOT}")
    return 0


def _named(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return the protocol that is the first word, and the words after it."""
    if arguments and not arguments[0].startswith("-"):
        return PROTOCOLS.find(arguments[0]).name, list(arguments[1:])
    return "", list(arguments)


def _protocol(arguments: Sequence[str]) -> str:
    """Return the protocol of --protocol, else that of the file of settings."""
    name = peek_setting(arguments, "protocol", "evaluate")
    return PROTOCOLS.find(name).name if name else DEFAULT_PROTOCOL


def _print(result: Evaluation) -> None:
    print_table(
        f"{result.truth.about}\n{result.source}",
        ("", "faces", result.protocol.value),
        [
            [row.label, str(row.faces), rounded(row.value, 4)]
            for row in result.rows
            if not row.group
        ],
    )
    groups: dict[str, list[TableRow]] = {}
    for row in result.rows:
        if row.group:
            groups.setdefault(row.group, []).append(row)
    rows = [
        [f"{group}: {row.name}", str(row.faces), rounded(row.value, 3)]
        for group, part in groups.items()
        if len(part) <= _MAX_ROWS
        for row in part
        if row.faces
    ]
    if rows:
        print_table("parts", ("", "faces", result.protocol.value), rows)
    figures = result.figures()
    say(f"{figures['detections']} detections on {figures['images']} images")
    for group, part in groups.items():
        if len(part) > _MAX_ROWS:
            say(f"{group:<10} {len(part)} of them are listed by --json")
    _warn_of_gaps(figures)


def _warn_of_gaps(figures: dict[str, Any]) -> None:
    """Say which images had no detections to score, and which detections no image."""
    if figures["images_left_out"]:
        count = f"{figures['images_left_out']} of {figures['images']} images"
        say(f"left out   {count} that cannot be read; their faces count as not found")
    missing, folders = figures["images_without_entry"], figures["folders_without_entry"]
    if missing:
        parts = figures["parts_without_entry"]
        lacking = ", ".join(parts) or (folders and count_of(len(folders), "folder"))
        whole = f", among them all of {lacking}" if lacking else ""
        say(
            f"missing    {missing} of {figures['images']} images have no detections{whole}; "
            "their faces count as not found"
        )
    if figures["entries_without_image"]:
        say(f"left out   detections of {figures['entries_without_image']} images not evaluated on")

"""From a command line and a YAML file to a command's dataclass."""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import tyro

from nasface.errors import ConfigError
from nasface.spec.store import load_config

Command = TypeVar("Command")


def parse(
    command: type[Command], arguments: Sequence[str], verb: str, base: object = None
) -> Command:
    """The command with its settings.

    Settings come from the file of ``--config`` (with ``--resume``, from the run folder of
    ``--out``), else from ``base`` or their defaults, and each can be overridden by an option.

    Raises:
        ConfigError: for a file that does not hold such settings. SystemExit: 0 after ``--help``, 2
        for
            options that cannot be understood.
    """
    kind = get_type_hints(command)["settings"]
    path = settings_file(arguments)
    make: Callable[..., Command] = command
    settings = (base or kind()) if path is None else load_config(kind, path, base)
    required: dict[str, Any] = {
        field.name: tyro.MISSING
        for field in fields(command)  # type: ignore[arg-type]  # commands are dataclasses
        if field.name != "settings" and not _has_default(field)
    }
    parsed: Command = tyro.cli(
        command,
        args=list(arguments),
        prog=f"nasface {verb}",
        default=make(settings=settings, **required),
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    return parsed


def settings_file(arguments: Sequence[str]) -> Path | None:
    """The file that the settings of a command line come from.

    Raises:
        ConfigError: if two are asked for.
    """
    path = peek(arguments, "--config")
    if "--resume" in arguments:
        if path is not None:
            raise ConfigError("--config: not together with --resume, which takes the run's own")
        folder = peek(arguments, "--out")
        path = None if folder is None else str(Path(folder) / "config.yaml")
    return None if path is None else Path(path)


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def peek(arguments: Sequence[str], option: str) -> str | None:
    """The value of an option before the whole line is parsed."""
    for at, argument in enumerate(arguments):
        if argument == option and at + 1 < len(arguments):
            return arguments[at + 1]
        if argument.startswith(option + "="):
            return argument.removeprefix(option + "=")
    return None

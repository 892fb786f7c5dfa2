"""From a command line and a YAML file to a command's dataclass."""

import io
import os
import re
import types
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import MISSING, Field, asdict, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import tyro

from nasface.cli.help import HELP, HELP_ALL, help_text
from nasface.cli.option_list import OTHER_WORDS, options
from nasface.errors import ConfigError, RunError, did_you_mean
from nasface.io.former_names import current_words
from nasface.io.other_words import setting_meant_by
from nasface.io.settings import load_config, read_config
from nasface.io.sizes import parse_size
from nasface.kinds import check_finite
from nasface.models import released_models
from nasface.presets import preset_path

Command = TypeVar("Command")

_TYPES = tyro.constructors.ConstructorRegistry()
"""How tyro reads types that it would read otherwise."""

_SIZES = ("--size", "--cost-penalty-size")
"""Options that take the width and height of an image."""

_USUAL = ("--data", "--out", "--source")
"""Options of most commands, here or elsewhere; those without them have arguments in their place."""


def parse(
    command: type[Command], arguments: Sequence[str], verb: str, base: object = None
) -> Command:
    """Return the command with its settings.

    Settings come from the file of ``--config`` (with ``--resume``, from the run folder of
    ``--out``), else from ``base`` or their defaults, and each can be overridden by an option.

    Raises:
        ConfigError: for a file that does not hold such settings, and for options that cannot be
            understood. SystemExit: 0 after ``--help``.
    """
    kind = get_type_hints(command)["settings"]
    path = settings_file(arguments, verb)
    make: Callable[..., Command] = command
    settings = (base or kind()) if path is None else load_config(kind, path, base)
    required: dict[str, Any] = {
        field.name: tyro.MISSING
        for field in fields(command)  # type: ignore[arg-type]  # commands are dataclasses
        if field.name != "settings" and not _has_default(field)
    }
    parsed = parse_line(command, arguments, verb, make(settings=settings, **required))
    for name, value in asdict(parsed.settings).items():  # type: ignore[attr-defined]
        check_finite(value, name, ConfigError)
    return parsed


def parse_line(
    command: type[Command], arguments: Sequence[str], verb: str, default: Any = tyro.MISSING_NONPROP
) -> Command:
    """Return the command of a command line; ``default`` holds what options override.

    Raises:
        ConfigError: for options that cannot be understood. SystemExit: 0 after ``--help``.
    """
    if HELP_ALL in arguments or set(HELP) & set(arguments):
        base = None if default is tyro.MISSING_NONPROP else default
        print(help_text(command, verb, base, full=HELP_ALL in arguments))
        raise SystemExit(0)
    arguments = _with_sizes(_under_own_names(arguments, command), command)
    shown = io.StringIO()
    try:
        with redirect_stderr(shown), _TYPES:
            parsed: Command = tyro.cli(
                command,
                args=list(arguments),
                prog=f"nasface {verb}",
                default=default,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
            return parsed
    except SystemExit as end:
        if not end.code:
            raise
        raise ConfigError(_first_message(shown.getvalue(), command, verb, arguments)) from None


@_TYPES.primitive_rule
def _none(
    info: tyro.constructors.PrimitiveTypeInfo,
) -> tyro.constructors.PrimitiveConstructorSpec[None] | None:
    """Read no value, of settings that may have none: null as in files, none as in the help, or
    None."""
    if info.type is not types.NoneType:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="null",
        instance_from_str=lambda _: None,
        is_instance=lambda value: value is None,
        str_from_instance=lambda _: ["null"],
        choices=("null", "none", "None"),
    )


def _under_own_names(arguments: Sequence[str], command: type[Any]) -> list[str]:
    """Return the words with options of several names under the first; all that an option of any
    number of texts is given, in several places even, follows at the end, before ``--`` where that
    is among them."""
    given: dict[str, list[str]] = {}
    others: list[str] = []
    open_values: list[str] | None = None
    known = {each.word for each in options(command) if each.value == "TEXT ..."}
    end = arguments.index("--") if "--" in arguments else len(arguments)
    for word in arguments[:end]:
        name, sign, value = word.partition("=")
        option = OTHER_WORDS.get(name, name)
        if option in known:
            values = given.setdefault(option, [])
            open_values = None if sign else values
            values += [value] if sign else []
        elif word.startswith("-") or open_values is None:
            open_values = None
            others.append(word)
        else:
            open_values.append(word)
    several = [word for option, values in given.items() for word in (option, *values)]
    return [*others, *several, *arguments[end:]]


def _with_sizes(arguments: Sequence[str], command: type[Any]) -> list[str]:
    """Return the words with sizes of images as their settings have them: two numbers, or 640x480;
    either way they may be given either way."""
    kinds = {each.word: each.kind for each in options(command) if each.word in _SIZES}
    words = list(arguments)
    for at in reversed(range(len(words))):
        name, sign, value = words[at].partition("=")
        if name not in kinds:
            continue
        given = [value] if sign else words[at + 1 : at + 3]
        numbers = [each for each in given if each.isdecimal()]
        if kinds[name] == "text" and len(numbers) == 2:
            words[at + 1 : at + 3] = ["x".join(numbers)]
        elif kinds[name] != "text" and given and "x" in given[0]:
            height, width = parse_size(given[0])
            words[at : at + (1 if sign else 2)] = [name, str(width), str(height)]
    return words


def _first_message(box: str, command: type[Any], verb: str, arguments: Sequence[str]) -> str:
    """Return what tyro says in the box that it draws around a mistake, on one line, and the nearest
    option or value.

    Of a line that lacks something, tyro does not say that there is an unknown option in it, which
    is most often why."""
    _, _, inside = box.partition("\n")  # the first line is the title
    parts = re.split(r"(?m)^\W{10,}$", inside)  # between rules
    words = (re.sub(r"[│\s]+", " ", part).strip() for part in parts)
    said = next(filter(None, words), "cannot be understood")
    if option := re.match(r"Unrecognized options: .*?(--[^\s,=]+)", said):
        return said + _suggestion(option[1], command, verb)
    if word := re.match(r"Unrecognized options: ([^\s,]+)", said):
        if word[1].startswith("-") and os.path.exists(word[1]):
            return f"{said}; the file is given as ./{word[1]}"
        is_weights = "--weights" in _words(command) and word[1] in released_models()
        return f"{said}; " + (
            f"did you mean '--weights {word[1]}'?" if is_weights else _usage(command, verb)
        )
    known = _words(command)
    written = [each.partition("=")[0].replace("_", "-") for each in arguments]
    strange = next((each for each in written if each[:2] == "--" and each not in known), "")
    if said.startswith("Missing"):
        near = _suggestion(strange, command, verb)
        if near:
            return f"Unrecognized options: {strange}{near}"
        return f"something is missing; {_usage(command, verb)}"
    if choice := re.match(r"invalid choice '(.*?)' .*Expected one of \((.*)\)", said):
        return said.rstrip(".") + did_you_mean(choice[1], re.findall(r"'([^']*)'", choice[2]))
    said = said.replace("Failed to parse key-value pairs!", "expected a value after each name")
    return said.removeprefix("Error parsing settings.")


def _suggestion(word: str, command: type[Any], verb: str) -> str:
    """Return what an unknown option may stand for: an argument that is written without one, a
    former name, or the option that is nearest, by its whole name or by the last part of it."""
    every = list(options(command))
    positionals = [each for each in every if each.is_positional]
    bare = [f"--{text}" for each in positionals for text in (each.name, each.value.lower())]
    if positionals and word in (*bare, *_USUAL):
        return f"; {_usage(command, verb)}"
    known = _words(command)
    last = {f"--{each.removeprefix('--').rpartition('.')[2]}": each for each in reversed(known)}
    current = current_words(word)
    if current != word and (now := current if current in known else last.get(current)):
        return f"; it is called {now!r} now"
    if word in last:
        return f"; did you mean {last[word]!r}?"
    plain = {each.removeprefix("--").replace("-", "_"): each for each in known}
    if setting := setting_meant_by(word.removeprefix("--").replace("-", "_"), plain):
        return f"; did you mean {plain[setting]!r}?"
    near = did_you_mean(word, known) or did_you_mean(word, last)
    return re.sub(r"'(--.*)'", lambda found: repr(last.get(found[1], found[1])), near)


def _usage(command: type[Any], verb: str) -> str:
    """Return the arguments without an option, and the options that have to be there."""
    every = list(options(command))
    words = [each.value for each in every if each.is_positional]
    required = [each for each in every if not (each.default or each.is_positional)]
    words += [f"{each.word} {each.value}".rstrip() for each in required]
    return f"usage: nasface {verb} {' '.join(words)}"


def _words(command: type[Any]) -> list[str]:
    return [each.word for each in options(command) if not each.is_positional]


def check_new(path: Path, suffixes: Sequence[str]) -> None:
    """Raise :class:`RunError` unless a file of one of these types can be made there anew."""
    if path.exists():
        raise RunError(f"{path}: exists; choose another --out")
    if path.suffix.lower() not in suffixes or not path.parent.is_dir():
        raise RunError(f"{path}: expected a {' or '.join(suffixes)} file in a folder that exists")


def settings_file(arguments: Sequence[str], verb: str) -> Path | None:
    """Return the file that the settings of a command line come from; ``preset:NAME`` is a packaged
    one.

    Raises:
        ConfigError: if two are asked for, or for a preset that the command does not have.
    """
    path = peek(arguments, "--config")
    if "--resume" in arguments:
        if path is not None:
            raise ConfigError("--config: not together with --resume, which takes the run's own")
        folder = peek(arguments, "--out")
        path = None if folder is None else str(Path(folder) / "config.yaml")
    return None if path is None else preset_path(path, verb)


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def peek_setting(arguments: Sequence[str], name: str, verb: str) -> str | None:
    """Return a setting before the whole line is parsed: of its option, else of the file of
    settings; None for what is no text."""
    given = peek(arguments, f"--{name}")
    path = settings_file(arguments, verb)
    if given is not None or path is None or not path.is_file():
        return given
    values = read_config(path)
    found = values.get(name) if isinstance(values, dict) else None
    return found if isinstance(found, str) else None


def peek(arguments: Sequence[str], option: str) -> str | None:
    """Return the value of an option before the whole line is parsed."""
    for at, argument in enumerate(arguments):
        if argument == option and at + 1 < len(arguments):
            return arguments[at + 1]
        if argument.startswith(option + "="):
            return argument.removeprefix(option + "=")
    return None

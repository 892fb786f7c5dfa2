"""``nasface presets``."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro

from nasface.cli.console import say
from nasface.cli.options import parse_line
from nasface.errors import ConfigError, did_you_mean
from nasface.presets import PRESET_PREFIX, presets


@dataclass(kw_only=True)
class PresetsCommand:
    """List the files of settings that come with nasface, or print one.

    Use a preset instead of a file: --config preset:NAME, and nasface compare preset:NAME.
    """

    name: tyro.conf.Positional[str] = ""
    """Preset to print, with or without preset: in front."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse_line(PresetsCommand, arguments, "presets")
    known = presets()
    if not command.name:
        wide = max(map(len, known)) + 2
        for each in known.values():
            say(f"{each.name:<{wide}}{each.command:<9}{first_sentence(each.text)}")
        return 0
    name = command.name.removeprefix(PRESET_PREFIX)
    if name not in known:
        raise ConfigError(
            f"{command.name}: no preset; expected {', '.join(known)}{did_you_mean(name, known)}"
        )
    say(known[name].path.read_text("utf-8").rstrip("\n"))
    return 0


def first_sentence(text: str) -> str:
    """Return the text up to the first full stop or semicolon that ends a word, on one line."""
    words = " ".join(text.split()).split(" ")
    end = next((at for at, word in enumerate(words) if word[-1:] in ".;"), len(words) - 1)
    return " ".join(words[: end + 1]).rstrip(".;")

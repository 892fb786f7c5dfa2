"""Write docs/reference.md: every command and option, from the dataclasses behind the console.

usage: python scripts/reference.py
"""

import inspect
import textwrap
from collections.abc import Mapping
from pathlib import Path

from nasface.arch.combine import COMBINE_RULES
from nasface.arch.operations import OPERATIONS
from nasface.cli.commands import commands
from nasface.cli.option_list import Option, options
from nasface.deploy.registry import FORMATS
from nasface.detection.backbones.registry import BACKBONES
from nasface.detection.head_layers import HEAD_LAYERS
from nasface.detection.necks.registry import NECK_PARTS
from nasface.nas.policies import POLICIES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"


def render() -> str:
    """Return the page."""
    about = (
        "Every command with its options, written by `scripts/reference.py` from the code. A switch "
        "is given without a value; a settings file (`--config`) holds the same names, nested at "
        "the dots."
    )
    parts = [f"# Commands\n\n{_wrapped(about)}\n"]
    for words, command in commands():
        found = list(options(command))
        positionals = "".join(f" {each.name.upper()}" for each in found if each.is_positional)
        parts.append(f"## `nasface {words}{positionals}`\n\n{inspect.getdoc(command)}\n")
        rows = [_row(each) for each in found]
        parts.append(
            "\n".join(["| option | takes | default | |", "| --- | --- | --- | --- |", *rows])
        )
        parts.append("")
    return "\n".join([*parts, _names()])


def _names() -> str:
    """Return what spaces, settings and file names may name, from the tables that hold it."""
    lines = ["## Names", "", "[Extending](extending.md) adds to them.", ""]
    texts: Mapping[str, Mapping[str, str]] = {
        "operation": {name: each.text for name, each in OPERATIONS.items()},
        "combine rule": {name: each.text for name, each in COMBINE_RULES.items()},
        "export format": {name: each.text for name, each in FORMATS.items()},
    }
    for title, rows in texts.items():
        lines += [f"| {title} | |", "| --- | --- |"]
        lines += [f"| `{name}` | {text} |" for name, text in rows.items()]
        lines.append("")
    for title, names in (
        ("Policies", POLICIES),
        ("Backbones", BACKBONES),
        ("Hand-made necks", NECK_PARTS),
        ("Layers of heads", HEAD_LAYERS),
    ):
        lines += [_wrapped(f"{title}: {', '.join(f'`{name}`' for name in names)}."), ""]
    return "\n".join(lines[:-1]) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 118, break_on_hyphens=False)


def _row(option: Option) -> str:
    names = (option.name.upper(),) if option.is_positional else option.words
    cells = (", ".join(f"`{name}`" for name in names), option.kind, option.default, option.text)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(f"wrote {PAGE}")

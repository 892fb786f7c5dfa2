"""Write docs/reference.md: every command and option, from the dataclasses behind the console.

usage: python scripts/reference.py
"""

import ast
import importlib
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tyro

from nasface.arch.combine import COMBINE_RULES
from nasface.arch.operations import OPERATIONS
from nasface.cli.evaluate import DEFAULT_PROTOCOL, evaluate_command
from nasface.cli.main import VERBS
from nasface.detection.backbones.registry import BACKBONES
from nasface.detection.necks.registry import NECK_PARTS
from nasface.export.registry import FORMATS
from nasface.metrics.registry import PROTOCOLS
from nasface.search.policies import POLICIES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"

#: verb -> its actions, each a command of its own: (module, class)
ACTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "genotype": {
        action: ("genotype", f"Genotype{action.capitalize()}Command")
        for action in ("show", "diff", "validate", "import", "export")
    },
}


@dataclass(frozen=True)
class Option:
    """An option or a positional argument of a command."""

    name: str
    is_positional: bool
    kind: str
    default: str
    text: str


def commands() -> Iterator[tuple[str, type[Any]]]:
    """Words such as ``evaluate fddb`` with the dataclass of the command."""
    for verb in VERBS:
        if verb == "evaluate":
            for protocol in PROTOCOLS:
                words = verb if protocol == DEFAULT_PROTOCOL else f"{verb} {protocol}"
                yield words, evaluate_command(protocol)
            continue
        name = f"{verb.title().replace('-', '')}Command"
        own = {"": (verb.replace("-", "_"), name)}
        for action, (module, name) in ACTIONS.get(verb, own).items():
            found = importlib.import_module(f"nasface.cli.{module}")
            yield f"{verb} {action}".strip(), getattr(found, name)


def options(command: type[Any], prefix: str = "", base: object = None) -> Iterator[Option]:
    """The options of a command, those of nested settings included."""
    hints = get_type_hints(command, include_extras=True)
    texts = field_texts(command)
    for each in fields(command):
        hint = hints[each.name]
        kind, marks = hint, tuple[Any, ...]()
        if get_origin(hint) is Annotated:
            kind, *rest = get_args(hint)
            marks = tuple(rest)
        default = _default(each) if base is None else getattr(base, each.name)
        if is_dataclass(kind) and isinstance(kind, type):
            inner = "" if each.name == "settings" else f"{prefix}{each.name.replace('_', '-')}."
            yield from options(kind, inner, None if default is MISSING else default)
            continue
        positional = tyro.conf.Positional[int]
        is_positional = any(mark in get_args(positional)[1:] for mark in marks)
        name = prefix + each.name.replace("_", "-")
        shown = "" if default is MISSING else _shown(default)
        yield Option(name, is_positional, _kind(kind), shown, texts.get(each.name, ""))


def field_texts(kind: type[Any]) -> dict[str, str]:
    """The string below each field of a dataclass and its bases."""
    texts: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if not is_dataclass(each) or each.__module__ == "types":  # made by make_dataclass
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(tree, ast.ClassDef)
        for field, below in zip(tree.body, tree.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                texts[field.target.id] = " ".join(str(below.value.value).split())
    return texts


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return MISSING if field.default_factory is MISSING else field.default_factory()


def _shown(value: object) -> str:
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _kind(hint: Any) -> str:
    """A type in a reader's words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is typing.Literal:
        return ", ".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(each) for each in arguments if each is not types.NoneType)
    if origin in (tuple, list):
        kinds = [_kind(each) for each in arguments if each is not ...]
        return f"{kinds[0]} ..." if len(set(kinds)) == 1 else " ".join(kinds)
    if origin is dict:
        return "name and value ..."
    names = {bool: "yes or no", int: "integer", float: "number", str: "text", Path: "path"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def render() -> str:
    """The page."""
    parts = [
        "# Commands\n\nEvery command with its options, written by `scripts/reference.py` from the "
        "code. A switch is given without a value; a settings file (`--config`) holds the same "
        "names, nested at the dots.\n"
    ]
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
    """What spaces, settings and file names may name, from the tables that hold it."""
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
    ):
        lines += [f"{title}: {', '.join(f'`{name}`' for name in names)}.", ""]
    return "\n".join(lines[:-1]) + "\n"


def _row(option: Option) -> str:
    name = option.name.upper() if option.is_positional else f"--{option.name}"
    cells = (f"`{name}`", option.kind, option.default, option.text)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(f"wrote {PAGE}")

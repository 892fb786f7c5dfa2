"""The options of a command as rows, for its help, the completion of shells and the reference."""

import ast
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tyro

OTHER_WORDS: Mapping[str, str] = MappingProxyType({"--class": "--classes"})
"""Another way to write an option -> the option."""


@dataclass(frozen=True)
class Option:
    """An option or a positional argument of a command.

    ``kind`` is what it takes in a reader's words and ``value`` what stands for it in a usage line,
    which is empty for a switch; ``choices`` are all accepted words, where there are few.
    ``default`` is empty for what must be given. ``section`` is the text of the group of settings
    that it belongs to, empty for the command's own.
    """

    name: str
    is_positional: bool
    kind: str
    value: str
    choices: tuple[str, ...]
    default: str
    text: str
    section: str = ""

    @property
    def word(self) -> str:
        """How it is written in a command line."""
        return self.value if self.is_positional else f"--{self.name}"

    @property
    def words(self) -> tuple[str, ...]:
        """All ways to write it, the usual one first."""
        return (self.word, *(alias for alias, word in OTHER_WORDS.items() if word == self.word))

    @property
    def group(self) -> str:
        """What stands before the last dot of its name, such as ``detector.anchors``."""
        return self.name.rpartition(".")[0]


def options(
    command: type[Any], prefix: str = "", base: object = None, section: str = ""
) -> Iterator[Option]:
    """Give the options of a command, those of nested settings included; ``base`` holds defaults
    that are not the dataclass's own."""
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
            given = default if is_dataclass(default) else None
            yield from options(kind, inner, given, texts.get(each.name, ""))
            continue
        positional = tyro.conf.Positional[int]
        is_positional = any(mark in get_args(positional)[1:] for mark in marks)
        name = prefix + each.name.replace("_", "-")
        metavar = next((mark.metavar for mark in marks if getattr(mark, "metavar", None)), None)
        value = metavar or _value(kind)
        yield Option(
            name,
            is_positional,
            _kind(kind),
            (metavar or each.name.upper()) if is_positional else value,
            _choices(kind),
            "" if default in (MISSING, tyro.MISSING) else _shown(default),
            texts.get(each.name, ""),
            section,
        )


def field_texts(kind: type[Any]) -> dict[str, str]:
    """Return the string below each field of a dataclass and its bases."""
    texts: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if not is_dataclass(each):
            continue
        try:
            source = inspect.getsource(each)
        except OSError:  # make_dataclass made it
            continue
        (tree,) = ast.parse(textwrap.dedent(source)).body
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


def _choices(hint: Any) -> tuple[str, ...]:
    """Return the words that a type accepts; empty where there is no such list."""
    if get_origin(hint) is typing.Literal:
        return tuple(map(str, get_args(hint)))
    if get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(word for each in get_args(hint) for word in _choices(each))
    return ()


def _kind(hint: Any) -> str:
    """Return a type in a reader's words."""
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


def _value(hint: Any) -> str:
    """Return what stands for a value of a type in a usage line; nothing for a switch."""
    origin, arguments = get_origin(hint), get_args(hint)
    if choices := _choices(hint):
        return "|".join(choices)
    if origin in (typing.Union, types.UnionType):
        return next(_value(each) for each in arguments if each is not types.NoneType)
    if origin in (tuple, list):
        if ... in arguments or origin is list:
            return f"{_value(arguments[0])} ..."
        return " ".join(_value(each) for each in arguments)
    if origin is dict:
        return "NAME VALUE ..."
    return {bool: "", int: "N", float: "X", Path: "PATH"}.get(hint, "TEXT")

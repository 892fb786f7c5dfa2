"""YAML and dataclasses: a safe loader with strict checks, and canonical text.

No unknown key, no repeated key, no ``"3"`` for 3 is accepted. Equal values give equal bytes.
"""

import hashlib
import importlib
import json
import math
import re
from collections.abc import Hashable, Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from nasface.errors import NasfaceError, did_you_mean, one_of
from nasface.io.files import as_path, write_text
from nasface.io.former_names import with_current_names, without_none

T = TypeVar("T")


_MOST_CHARACTERS = 500_000
_LONGEST_NUMBER = 100
_DEEPEST = 50


class _PythonParser(Reader, Scanner, Parser):
    """What PyYAML has where it was built without libyaml."""

    def __init__(self, stream: str) -> None:
        Reader.__init__(self, stream)
        Scanner.__init__(self)
        Parser.__init__(self)


# What is read can be refused where it is composed, in Python; libyaml, which reads it, takes a
# fifth of the time of the other.
try:
    _Parser: type[Any] = importlib.import_module("yaml.cyaml").CParser
except ImportError:
    _Parser = _PythonParser


class _StrictLoader(Composer, _Parser, SafeConstructor, Resolver):  # type: ignore[misc]
    """YAML's safe loader that refuses a key given twice, references to other parts, and tags."""

    def __init__(self, stream: str) -> None:
        _Parser.__init__(self, stream)
        for part in (Composer, SafeConstructor, Resolver):
            part.__init__(self)
        self.open_brackets = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"aliases (*name) are not accepted{event.start_mark}")
        if event.tag is not None:
            raise yaml.YAMLError(f"tags ({event.tag!a:.60}) are not accepted{event.start_mark}")
        brackets = bool(getattr(event, "flow_style", False))
        self.open_brackets += brackets
        if self.open_brackets > _DEEPEST:
            raise yaml.YAMLError(f"brackets are more than {_DEEPEST} deep{event.start_mark}")
        node = super().compose_node(parent, index)
        self.open_brackets -= brackets
        # A number to base 60 takes time that grows with the square of its length.
        number = isinstance(node, yaml.ScalarNode) and not node.tag.endswith(":str")
        if node is not None and number and len(node.value) > _LONGEST_NUMBER:
            raise yaml.YAMLError(f"a number is too long{node.start_mark}")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be plain text", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    # Kept on the side: building one takes a while, and functools.cache loses the type.
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def parse_yaml(text: str, place: str, error: type[NasfaceError]) -> Any:
    """Return the plain values of a YAML text; ``place`` names it in the message of ``error``."""
    if len(text) > _MOST_CHARACTERS:
        raise error(f"{place}: larger than {_MOST_CHARACTERS} characters")
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader with more checks
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as problem:
        raise error(f"{place}: not valid YAML: {_one_line(problem)}") from None


def parse_dataclass(kind: type[T], values: Any, place: str, error: type[NasfaceError]) -> T:
    """``values`` (plain YAML values) as an instance of a dataclass, checked strictly.

    Fields may have the names of version 0.1.
    """
    values, _ = with_current_names(kind, values)
    check_finite(values, place, error)
    try:
        document = json.dumps(values)
    except TypeError:
        raise error(
            f"{place}: {_strange(values)}; expected text, numbers, lists and maps"
        ) from None
    except (ValueError, RecursionError) as problem:
        raise error(
            f"{place}: {_one_line(problem)}; expected text, numbers, lists and maps"
        ) from None
    try:
        value = _adapter(kind).validate_json(document, strict=True, extra="forbid")
    except ValidationError as problem:
        raise error(f"{place}: {_first_problems(problem, kind)}") from None
    except NasfaceError as problem:
        raise error(f"{place}: {problem}") from None
    return value


def _strange(value: Any) -> str:
    """Where nested maps and lists hold something that JSON has no form for, and its type."""
    entries: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list | tuple):
        entries = enumerate(value)
    elif value is not None and not isinstance(value, str | bool | int | float):
        return f"is of type {type(value).__name__}"
    for key, each in entries:
        found = _strange(each)
        if found:
            return f"{key}: {found}"
    return ""


def check_finite(values: Any, place: str, error: type[NasfaceError]) -> None:
    """Raise ``error`` if a number in nested maps and lists is infinite or not a number."""
    if isinstance(values, float) and not math.isfinite(values):
        raise error(f"{place}: is {values}, expected a finite number")
    entries: Iterable[tuple[Any, Any]] = ()
    if isinstance(values, dict):
        entries = values.items()
    elif isinstance(values, list | tuple):
        entries = enumerate(values)
    for key, value in entries:
        check_finite(value, f"{place}: {key}", error)


def to_yaml(value: Any) -> str:
    """Return the canonical YAML text of a dataclass instance."""
    plain = plain_values(value)
    return yaml.safe_dump(plain, sort_keys=False, default_flow_style=None, width=100)


def write_yaml(
    path: str | Path, value: Any, error: type[NasfaceError], *, overwrite: bool = False
) -> Path:
    """Write a dataclass instance as canonical YAML text.

    Raises:
        NasfaceError: ``error``, for another suffix than ``.yaml`` or ``.yml``, or if a file is
            there and not to be replaced.
        OutputError: if it cannot be written.
    """
    path = as_path(path, "path")
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise error(f"{path}: expected a .yaml file")
    if path.exists() and not overwrite:
        raise error(f"{path}: exists; expected a new file, or overwrite=True")
    write_text(path, to_yaml(value))
    return path


def plain_values(value: Any) -> Any:
    """Return a dataclass instance as maps, lists, texts and numbers."""
    # Of values that do not fit, those who read them tell; pydantic would only warn.
    return json.loads(_adapter(type(value)).dump_json(value, warnings=False))


def config_digest(value: Any) -> str:
    """Twelve hexadecimal digits that change with any field of a dataclass instance."""
    return hashlib.sha256(to_yaml(value).encode()).hexdigest()[:12]


def _first_problems(problem: ValidationError, kind: type[Any]) -> str:
    """Up to three of pydantic's findings on one line, each with its place."""
    errors = problem.errors(include_url=False)
    return "; ".join(_describe(each, kind) for each in errors[:3]) + (
        f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    )


def _describe(problem: ErrorDetails, kind: type[Any]) -> str:
    location, value = problem["loc"], problem["input"]
    where = _one_line(".".join(map(str, location)))[:300]
    if problem["type"] == "value_error" and not where:
        return _one_line(problem["msg"].removeprefix("Value error, "))
    where = where or "top level"
    if problem["type"] == "unexpected_keyword_argument":
        known = _keys(kind, location[:-1])
        return f"{where}: unknown key; expected {one_of(str(location[-1]), known)}"
    if problem["type"] == "missing":
        return f"{where}: is missing"
    if problem["type"] == "dataclass_type" and not isinstance(value, dict):
        return f"{where}: expected a map of settings, got {value!r:.60}"
    if problem["type"] == "value_error":  # the message of a class of ours says the rest
        text = _one_line(problem["msg"].removeprefix("Value error, "))
        return text if text.startswith(f"{where}: ") else f"{where}: {text}"
    shown = "" if isinstance(value, dict | list) else f", got {value!r:.60}"
    near = ""
    if problem["type"] == "literal_error" and isinstance(value, str):
        near = did_you_mean(value, re.findall(r"'([^']*)'", problem["ctx"]["expected"]))
    return f"{where}: {_one_line(problem['msg'])}{shown}{near}"


def _keys(kind: Any, location: Iterable[int | str]) -> list[str]:
    """The keys that a dataclass has at a place in it."""
    for step in location:
        kind = without_none(kind)
        if is_dataclass(kind):
            kind = get_type_hints(kind).get(str(step))
        else:  # the elements of a tuple, the values of a map
            kind = get_args(kind)[0 if isinstance(step, int) else -1]
    kind = without_none(kind)
    return [each.name for each in fields(kind)] if is_dataclass(kind) else []


def _one_line(problem: object) -> str:
    words = " ".join(str(problem).split())
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in words)

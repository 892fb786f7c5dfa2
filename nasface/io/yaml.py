"""YAML and dataclasses: a safe loader with strict checks, and canonical text.

No unknown key, no repeated key, no ``"3"`` for 3 is accepted. Equal values give equal bytes.
"""

import hashlib
import importlib
import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from nasface.errors import NasfaceError
from nasface.io.files import as_path, write_text
from nasface.io.former_names import with_current_names
from nasface.kinds import adapter_of, one_line, validated

T = TypeVar("T")


_MAX_CHARACTERS = 500_000
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


# Which of two parsers it is, is known at run time only.
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


def parse_yaml(text: str, place: str, error: type[NasfaceError]) -> Any:
    """Return the plain values of a YAML text; ``place`` names it in the message of ``error``."""
    if len(text) > _MAX_CHARACTERS:
        raise error(f"{place}: larger than {_MAX_CHARACTERS} characters")
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader with more checks
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as problem:
        raise error(f"{place}: not valid YAML: {one_line(problem)}") from None


def parse_dataclass(kind: type[T], values: Any, place: str, error: type[NasfaceError]) -> T:
    """Return ``values`` (plain YAML values) as an instance of a dataclass, checked strictly.

    Fields may have the names of version 0.1.
    """
    values, _ = with_current_names(kind, values)
    return validated(kind, values, place, error)


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
    return json.loads(adapter_of(type(value)).dump_json(value, warnings=False))


def config_digest(value: Any) -> str:
    """Return twelve hexadecimal digits that change with any field of a dataclass instance."""
    return hashlib.sha256(to_yaml(value).encode()).hexdigest()[:12]

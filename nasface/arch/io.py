"""Reading and writing spaces, genotypes and settings as YAML.

The files are read with YAML's safe loader and checked strictly: no unknown key, no repeated key, no
``"3"`` for 3. What is written is canonical, so that equal values give equal bytes.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from nasface.arch.genotype import Genotype, check_derivable
from nasface.arch.space import SearchSpace, SpaceDocument, Value, expand
from nasface.errors import ConfigError, NasfaceError, SpecError

T = TypeVar("T")
_MOST_CHARACTERS = 500_000
_LONGEST_NUMBER = 100
_LONGEST_VALUE = 100
_DEEPEST = 50
_LARGEST_FILE = 64 * 2**20


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader that refuses a key given twice, references to other parts, and tags."""

    def fetch_flow_collection_start(self, token_class: type[yaml.Token]) -> None:
        # The scanner looks at all open brackets again for each one more.
        if self.flow_level >= _DEEPEST:
            raise yaml.YAMLError(f"brackets are more than {_DEEPEST} deep{self.get_mark()}")
        super().fetch_flow_collection_start(token_class)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"aliases (*name) are not accepted{self.get_mark()}")
        if getattr(self.peek_event(), "tag", None) is not None:  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"tags (!name) are not accepted{self.get_mark()}")
        node = super().compose_node(parent, index)
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
    """The plain values of a YAML text; ``place`` names it in the message of ``error``."""
    if len(text) > _MOST_CHARACTERS:
        raise error(f"{place}: larger than {_MOST_CHARACTERS} characters")
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader with more checks
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as problem:
        raise error(f"{place}: not valid YAML: {_one_line(problem)}") from None


def parse_dataclass(kind: type[T], values: Any, place: str, error: type[NasfaceError]) -> T:
    """``values`` (plain YAML values) as an instance of a dataclass, checked strictly."""
    check_finite(values, place, error)
    try:
        document = json.dumps(values)
    except (TypeError, ValueError, RecursionError) as problem:
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
    """The canonical YAML text of a dataclass instance."""
    plain = plain_values(value)
    return yaml.safe_dump(plain, sort_keys=False, default_flow_style=None, width=100)


def plain_values(value: Any) -> Any:
    """A dataclass instance as maps, lists, texts and numbers."""
    return json.loads(_adapter(type(value)).dump_json(value))


def config_digest(value: Any) -> str:
    """Twelve hexadecimal digits that change with any field of a dataclass instance."""
    return hashlib.sha256(to_yaml(value).encode()).hexdigest()[:12]


def load_search_space(
    name: str | Path, parameters: Mapping[str, Value] | None = None
) -> SearchSpace:
    """The search space of a packaged name or a YAML file, with its parameters filled in.

    Raises:
        SpecError: naming the file, the place in it and what would be accepted.
    """
    text, place = _read("nasface.search_spaces", "search space", name)
    raw = parse_yaml(text, place, SpecError)
    chosen = _choose_parameters(raw, parameters or {}, place)
    document = parse_dataclass(SpaceDocument, _fill(raw, chosen, place), place, SpecError)
    try:
        return expand(document, chosen)
    except SpecError as problem:
        raise SpecError(f"{place}: {problem}") from None


def load_genotype(name: str | Path) -> Genotype:
    """The genotype of a packaged name or a YAML file.

    Raises:
        SpecError: naming the file, the place in it and what would be accepted.
    """
    text, place = _read("nasface.genotypes", "genotype", name)
    return parse_genotype(text, place)


def parse_genotype(text: str, place: str) -> Genotype:
    """The genotype in a YAML text; ``place`` names it in messages."""
    return parse_dataclass(Genotype, parse_yaml(text, place, SpecError), place, SpecError)


def save_genotype(genotype: Genotype, path: Path) -> None:
    """Write the canonical text, through a temporary file."""
    write_text(path, to_yaml(genotype))


def check_membership(genotype: Genotype) -> str:
    """What is known of the genotype's place in its space, for a person to read.

    Raises:
        SpecError: if the space is a packaged one and does not hold the genotype's cells.
    """
    reference = genotype.space
    if reference.name not in packaged_names("nasface.search_spaces"):
        return f"cells are well formed; space {reference.name!r} is not at hand"
    space = load_search_space(reference.name, reference.parameters)
    if space.digest != reference.digest:
        raise SpecError(
            f"genotype {genotype.name!r}: space {space.name} has digest {space.digest}, expected "
            f"the genotype's {reference.digest}; it was derived from another version"
        )
    for name, graph in space.cells.items():
        if name not in genotype.cells:
            raise SpecError(f"genotype {genotype.name!r}: cell {name!r} of {space.name} is missing")
        try:
            check_derivable(graph, genotype.cells[name])
        except SpecError as error:
            raise SpecError(f"genotype {genotype.name!r}: cells.{name}: {error}") from None
    return f"holds cells of space {space.name} ({space.digest})"


def load_config(kind: type[T], path: Path, base: T | None = None) -> T:
    """Settings from a YAML file; keys that are absent keep their defaults, or those of ``base``.

    Raises:
        ConfigError: naming the file, the key and what would be accepted.
    """
    values = read_config(path)
    if base is not None and isinstance(values, dict):
        values = merged(plain_values(base), values)
    return parse_dataclass(kind, values, str(path), ConfigError)


def read_config(path: Path) -> Any:
    """The plain values of a file of settings.

    Raises:
        ConfigError: naming the file, if it cannot be read or is no YAML.
    """
    return _settings(read_text(path, ConfigError, "config file"), path)


def merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``values`` in their places, map by map."""
    result = dict(base)
    for key, value in values.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def _settings(text: str, path: Path) -> Any:
    """The values of a settings file; an empty one gives the defaults."""
    values = parse_yaml(text, str(path), ConfigError)
    return {} if values is None else values


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` of a text in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new one, never a half.

    Raises:
        OSError: naming the file, which then is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as problem:
        temporary.unlink(missing_ok=True)
        raise OSError(problem.errno, problem.strerror, str(path)) from None


def packaged_names(package: str) -> list[str]:
    """Names of the YAML files of ``nasface.search_spaces`` or ``nasface.genotypes``, sorted."""
    return sorted(e.name[:-5] for e in files(package).iterdir() if e.name.endswith(".yaml"))


def _read(package: str, what: str, name: str | Path) -> tuple[str, str]:
    """The text of a packaged or given file, and the words that name it in messages."""
    known = packaged_names(package)
    if str(name) in known:
        return files(package).joinpath(f"{name}.yaml").read_text("utf-8"), f"{name}.yaml"
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        raise SpecError(
            f"unknown {what} {str(name)!r}; expected a YAML file or one of {', '.join(known)}"
        )
    return read_text(path, SpecError, what), str(path)


def read_text(path: Path, error: type[NasfaceError], what: str) -> str:
    """The text of a UTF-8 file; raises ``error``, which names it as ``what``, if it has none."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise error(f"{path}: larger than {_LARGEST_FILE} bytes, expected {what}")
        return path.read_text("utf-8")
    except OSError as problem:
        raise error(f"{path}: cannot read {what}: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise error(f"{path}: not UTF-8 text at byte {problem.start}") from None


def _choose_parameters(raw: Any, given: Mapping[str, Value], place: str) -> dict[str, Value]:
    declared = raw.get("parameters") if isinstance(raw, dict) else None
    declared = declared if isinstance(declared, dict) else {}
    for name in given:
        if name not in declared:
            known = ", ".join(map(str, declared)) or "no parameters"
            raise SpecError(f"{place}: unknown parameter {name!r}; the space has {known}")
    chosen: dict[str, Value] = {}
    for name, entry in declared.items():
        default, choices = (
            entry.get(k) if isinstance(entry, dict) else None for k in ("default", "choices")
        )
        value = given.get(name, default)
        if not isinstance(value, bool | int | str) or len(str(value)) > _LONGEST_VALUE:
            raise SpecError(
                f"{place}: parameters.{name}: {value!r:.60} is no value of a parameter; expected a "
                "whole number, true, false, or a name"
            )
        if isinstance(choices, list) and value not in choices:
            raise SpecError(f"{place}: parameters.{name}: {value!r} is not one of {choices}")
        if isinstance(choices, list):
            # 0 and 1, as a command line gives them, stand for no and yes.
            value = choices[choices.index(value)]
        chosen[name] = value
    return chosen


_PARAMETER = re.compile(r"\$(\w+)\Z")


def _fill(value: Any, parameters: Mapping[str, Value], place: str) -> Any:
    """``value`` with every ``$name`` replaced by the parameter of that name."""
    if isinstance(value, dict):
        return {key: _fill(each, parameters, place) for key, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, parameters, place) for each in value]
    match = _PARAMETER.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    if match[1] not in parameters:
        raise SpecError(
            f"{place}: {value!r} names no parameter; the file declares {list(parameters)}"
        )
    return parameters[match[1]]


def _first_problems(problem: ValidationError, kind: type[Any]) -> str:
    """Up to three of pydantic's findings on one line, each with its place."""
    errors = problem.errors(include_url=False)
    return "; ".join(_describe(each, kind) for each in errors[:3]) + (
        f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    )


def _describe(problem: ErrorDetails, kind: type[Any]) -> str:
    location, value = problem["loc"], problem["input"]
    where = _one_line(".".join(map(str, location)))[:300] or "top level"
    if problem["type"] == "unexpected_keyword_argument":
        return f"{where}: unknown key; expected one of {', '.join(_keys(kind, location[:-1]))}"
    if problem["type"] == "missing":
        return f"{where}: is missing"
    shown = "" if isinstance(value, dict | list) else f", got {value!r:.60}"
    return f"{where}: {_one_line(problem['msg'].removeprefix('Value error, '))}{shown}"


def _keys(kind: Any, location: Iterable[int | str]) -> list[str]:
    """The keys that a dataclass has at a place in it."""
    for step in location:
        kind = _present(kind)
        if is_dataclass(kind):
            kind = get_type_hints(kind).get(str(step))
        else:  # the elements of a tuple, the values of a map
            kind = get_args(kind)[0 if isinstance(step, int) else -1]
    kind = _present(kind)
    return [each.name for each in fields(kind)] if is_dataclass(kind) else []


def _present(kind: Any) -> Any:
    """``T`` of ``T | None``."""
    inner = [each for each in get_args(kind) if each is not type(None)]
    return inner[0] if type(None) in get_args(kind) else kind


def _one_line(problem: object) -> str:
    words = " ".join(str(problem).split())
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in words)

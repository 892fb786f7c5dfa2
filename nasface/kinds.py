"""Values of the kinds that the fields of dataclasses have, strictly: no ``"3"`` for 3."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from nasface.errors import ConfigError, NasfaceError, did_you_mean, one_of

T = TypeVar("T")


class Settings:
    """Base of dataclasses of settings: each value is of the kind that its field says.

    Lists stand for tuples, maps for further dataclasses, numbers of NumPy for those of Python, and
    a ``torch.device`` for its name, as they do in a file of settings.

    Raises:
        ConfigError: naming the field and what would be accepted.
    """

    def __post_init__(self) -> None:
        own: Any = type(self)  # which mypy takes for unhashable
        for name, kind in _kinds_of_fields(own).items():
            value = _over_default(own, name, getattr(self, name))
            try:
                fitting = adapter_of(kind).validate_python(value, strict=True)
            except ValidationError:
                fitting = validated(kind, as_plain(value), name, ConfigError)
            check_finite(fitting, name, ConfigError)
            object.__setattr__(self, name, fitting)  # frozen


def _over_default(settings: Any, name: str, value: Any) -> Any:
    """Return a map of some settings, with the default of its field for the others."""
    make = next((f.default_factory for f in fields(settings) if f.name == name), MISSING)
    default = make() if isinstance(value, Mapping) and callable(make) else None
    if default is None or not is_dataclass(default):
        return value
    return {**{each.name: getattr(default, each.name) for each in fields(default)}, **value}


@cache
def _kinds_of_fields(settings: Any) -> dict[str, Any]:
    hints = get_type_hints(settings, include_extras=True)
    return {each.name: hints[each.name] for each in fields(settings)}


def adapter_of(kind: type[T]) -> TypeAdapter[T]:
    """Return what reads and checks values of a kind."""
    # Kept on the side: building one takes a while, and functools.cache loses the type.
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def validated(kind: type[T], values: Any, place: str, error: type[NasfaceError]) -> T:
    """Return plain values as an instance of a kind; ``place`` names them in messages.

    Raises:
        NasfaceError: ``error``, naming the key and what would be accepted.
    """
    if is_dataclass(kind) and isinstance(values, dict):
        filled = {name: _over_default(kind, str(name), each) for name, each in values.items()}
        values = as_plain(filled)
    check_finite(values, place, error)
    expected = "expected text, numbers, lists and maps"
    try:
        document = json.dumps(values)
    except TypeError:
        raise error(f"{place}: {_strange(values)}; {expected}") from None
    except (ValueError, RecursionError) as problem:
        raise error(f"{place}: {one_line(problem)}; {expected}") from None
    try:
        return adapter_of(kind).validate_json(document, strict=True, extra="forbid")
    except ValidationError as problem:
        found = _first_problems(problem, kind)
        raise error(found if found.startswith(f"{place}: ") else f"{place}: {found}") from None
    except NasfaceError as problem:
        raise error(f"{place}: {problem}") from None


def as_plain(value: Any) -> Any:
    """Return maps, lists, paths, settings, numbers of NumPy and a device of torch as in YAML."""
    if isinstance(value, Mapping):
        return {name: as_plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | range):
        return [as_plain(each) for each in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return as_plain(asdict(value))
    kind = type(value)
    # By its name, since help and mistakes are answered without importing torch.
    is_device = (kind.__module__, kind.__name__) == ("torch", "device")
    return str(value) if is_device or isinstance(value, Path) else value


def _strange(value: Any) -> str:
    """Say where nested maps and lists hold something that JSON has no form for, and its type."""
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


def _first_problems(problem: ValidationError, kind: type[Any]) -> str:
    """Return up to three of pydantic's findings on one line, each with its place."""
    errors = problem.errors(include_url=False)
    return "; ".join(_describe(each, kind) for each in errors[:3]) + (
        f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    )


def _describe(problem: ErrorDetails, kind: type[Any]) -> str:
    location, value = problem["loc"], problem["input"]
    where = one_line(".".join(map(str, location)))[:300]
    prefix = f"{where}: " if where else ""
    if problem["type"] == "unexpected_keyword_argument":
        known = _keys(kind, location[:-1])
        return f"{prefix}unknown key; expected {one_of(str(location[-1]), known)}"
    if problem["type"] == "missing":
        return f"{prefix}is missing"
    if problem["type"] == "dataclass_type" and not isinstance(value, dict):
        return f"{prefix}expected a map of settings, got {value!r:.60}"
    if problem["type"] == "value_error":  # the message of a class of ours says the rest
        text = one_line(problem["msg"].removeprefix("Value error, "))
        return text if text.startswith(prefix) else prefix + text
    shown = "" if isinstance(value, dict | list) else f", got {value!r:.60}"
    near = ""
    if problem["type"] == "literal_error" and isinstance(value, str):
        near = did_you_mean(value, re.findall(r"'([^']*)'", problem["ctx"]["expected"]))
    return f"{prefix}{one_line(problem['msg'])}{shown}{near}"


def _keys(kind: Any, location: Iterable[int | str]) -> list[str]:
    """Return the keys that a dataclass has at a place in it."""
    for step in location:
        kind = without_none(kind)
        if is_dataclass(kind):
            kind = get_type_hints(kind).get(str(step))
        else:  # the elements of a tuple, the values of a map
            kind = get_args(kind)[0 if isinstance(step, int) else -1]
    kind = without_none(kind)
    return [each.name for each in fields(kind)] if is_dataclass(kind) else []


def one_line(problem: object) -> str:
    """Return a message as one line of printable characters."""
    words = " ".join(str(problem).split())
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in words)


def without_none(kind: Any) -> Any:
    """Return the type ``T`` of ``T | None``, and any other type as it is."""
    inner = [each for each in get_args(kind) if each is not type(None)]
    return inner[0] if type(None) in get_args(kind) else kind

"""Files of settings."""

import warnings
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from nasface.errors import ConfigError, check_kind, did_you_mean
from nasface.io.files import read_text
from nasface.io.former_names import with_current_names
from nasface.io.other_words import setting_meant_by
from nasface.io.yaml import parse_dataclass, parse_yaml, plain_values
from nasface.kinds import as_plain

T = TypeVar("T")


def load_config(kind: type[T], path: Path, base: T | None = None) -> T:
    """Return the settings from a YAML file; keys that are absent keep their defaults, or those of
    ``base``.

    Raises:
        ConfigError: naming the file, the key and what would be accepted.
    """
    values, notes = with_current_names(kind, read_config(path))
    for note in notes:
        warnings.warn(f"{path}: {note}", FutureWarning, stacklevel=2)
    if base is not None and isinstance(values, dict):
        values = merged(plain_values(base), values)
    return parse_dataclass(kind, values, str(path), ConfigError)


def checked_settings(kind: type[T], given: T | Mapping[str, Any] | None, what: str) -> T:
    """Return settings that code made, or the defaults with those of a map; ``what`` names them.

    Raises:
        ConfigError: as :func:`with_settings`.
    """
    if isinstance(given, kind):
        return given
    return with_settings(kind(), cast(Mapping[str, Any], {} if given is None else given), what)


def with_settings(base: T, settings: Mapping[str, Any], what: str = "settings") -> T:
    """Return ``base`` with some of its fields changed; ``what`` names them in messages.

    A nested part is given as a map of its own fields (``optimizer={"lr": 0.1}``), the others of
    which stay, or as a whole dataclass. Names of version 0.1 are taken, with a warning.

    Raises:
        ConfigError: naming the field and what would be accepted, or the nearest field there is.
    """
    check_kind(what, settings, Mapping, "a map of settings")
    plain = {
        name: plain_values(value) if is_dataclass(value) else value
        for name, value in settings.items()
    }
    values, notes = with_current_names(type(base), plain)
    for note in notes:
        warnings.warn(f"{what}: {note}", FutureWarning, stacklevel=3)
    _check_names(values, base, what)
    return parse_dataclass(
        type(base), merged(plain_values(base), as_plain(values)), what, ConfigError
    )


def _check_names(values: Mapping[str, Any], base: Any, what: str) -> None:
    """Raise :class:`ConfigError` for a name that is no field of ``base``, naming the nearest."""
    known = {each.name: getattr(base, each.name) for each in fields(base)}
    parts = {name: part for name, part in known.items() if is_dataclass(part)}
    for name, value in values.items():
        if name not in known:
            within = [f"{part}.{each.name}" for part in parts for each in fields(parts[part])]
            meant = next((each for each in within if each.endswith(f".{name}")), "")
            meant = meant or setting_meant_by(name, [*known, *within])
            part, _, inner = meant.rpartition(".")
            hint = (
                f"; did you mean {part}={{{inner!r}: ...}}?"
                if part
                else did_you_mean(meant or name, known) or f"; expected one of {', '.join(known)}"
            )
            raise ConfigError(f"{what}: there is no {name!r}{hint}")
        if name in parts and isinstance(value, Mapping):
            _check_names(value, parts[name], f"{what}: {name}")


def read_config(path: Path) -> Any:
    """Return the plain values of a file of settings.

    Raises:
        ConfigError: naming the file, if it cannot be read or is no YAML.
    """
    return _settings(read_text(path, ConfigError, "config file"), path)


def merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``values`` in their places, map by map."""
    result = dict(base)
    for key, value in values.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def _settings(text: str, path: Path) -> Any:
    """Return the values of a settings file; an empty one gives the defaults."""
    values = parse_yaml(text, str(path), ConfigError)
    return {} if values is None else values

"""Files of settings."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from nasface.errors import ConfigError
from nasface.io.files import read_text
from nasface.io.former_names import with_current_names
from nasface.io.yaml import parse_dataclass, parse_yaml, plain_values

T = TypeVar("T")


def load_config(kind: type[T], path: Path, base: T | None = None) -> T:
    """Settings from a YAML file; keys that are absent keep their defaults, or those of ``base``.

    Raises:
        ConfigError: naming the file, the key and what would be accepted.
    """
    values, notes = with_current_names(kind, read_config(path))
    for note in notes:
        warnings.warn(f"{path}: {note}", FutureWarning, stacklevel=2)
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

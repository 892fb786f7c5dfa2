"""The one family of exceptions that nasface raises for a user's mistake.

Each message says what was wrong, where (file, key, value) and what would be accepted.
"""

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'search'?`` with the known word that is nearest to a mistyped one, to
    end a message with; empty if none is near."""
    words = {each.lower(): each for each in known}
    near = get_close_matches(str(word).lower(), words, n=1)
    return f"; did you mean {words[near[0]]!r}?" if near else ""


def one_of(word: str, known: Iterable[str]) -> str:
    """Return ``one of a, b, c``, to end a message on a word that is none of them, with the nearest
    one if there is such."""
    names = list(known)
    return f"one of {', '.join(names)}" + did_you_mean(word, names)


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise :class:`ConfigError` unless the value of an argument is one of its choices."""
    known = list(choices)
    if value not in known:
        raise ConfigError(f"{name}: unknown {value!r:.60}; expected {one_of(str(value), known)}")


class NasfaceError(Exception):
    """Base of every error that a user can cause and correct."""


class SpecError(NasfaceError, ValueError):
    """A search space or genotype that is malformed or does not fit."""


class DataError(NasfaceError):
    """A folder, annotation file or image that cannot be used."""


class ConfigError(NasfaceError, ValueError):
    """A setting outside its range or at odds with another one."""


class RunError(NasfaceError):
    """A run folder, checkpoint or weights file that cannot be used."""


class BrokenRunError(RunError):
    """A fault in the middle of a run, before it is said what is kept of the run."""


class OutputError(NasfaceError, OSError):
    """A file that cannot be written. The file stays as it was; no part of the new one is left."""

    def __str__(self) -> str:
        is_full = self.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "; free space there, or write elsewhere" if is_full else ""
        return f"{self.filename}: cannot be written: {self.strerror}{hint}"


class ExportError(NasfaceError):
    """A detector that cannot be exported, or a file whose output is not the detector's."""


class MissingPackageError(NasfaceError, ImportError):
    """A package of an extra that is not installed."""


def check_kind(
    name: str,
    value: object,
    kind: Any,
    expected: str,
    error: type[NasfaceError] = ConfigError,
) -> None:
    """Raise ``error`` unless the value of an argument is of this class, or one of these;
    ``expected`` says it in words."""
    if not isinstance(value, kind):
        raise error(f"{name}: is of type {type(value).__name__}; expected {expected}")

"""The classes of a data set that are faces."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from nasface.errors import DataError, did_you_mean

Key = TypeVar("Key")

FACE = "face"

_SPLITS = (("train", "training"), ("val", "valid", "validation"), ("test", "testing"))


def faces_among(names: Mapping[Key, str], wanted: Sequence[str], source: str) -> set[Key]:
    """Return the keys of the classes called as ``wanted``; without any, the only one, or ``face``.

    Raises:
        DataError: naming ``source`` and its classes, if there is no such class.
    """
    names = {key: name.strip() for key, name in names.items()}
    if wanted:
        unknown = [name for name in wanted if name not in names.values()]
        if unknown:
            near = did_you_mean(unknown[0], names.values())
            raise DataError(f"{source}: has no class {unknown[0]!r}; it has {_listed(names)}{near}")
        return {key for key, name in names.items() if name in wanted}
    if len(names) == 1:
        return set(names)
    found = {key for key, name in names.items() if name.lower() == FACE}
    if not found:
        raise DataError(f"{source}: which class is a face? It has {_listed(names)}; name it")
    return found


def split_names(split: str) -> tuple[str, ...]:
    """Return the names that data sets give a split: ``val`` may be ``valid`` or ``validation``."""
    others = next((names for names in _SPLITS if split in names), ())
    return (split, *(each for each in others if each != split))


def _listed(names: Mapping[Key, str]) -> str:
    return ", ".join(repr(name) for name in list(names.values())[:20]) or "none"

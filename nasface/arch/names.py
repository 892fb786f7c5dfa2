"""Names that cells, nodes, operations, spaces and genotypes may have."""

import re

from nasface.errors import SpecError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def check_name(place: str, name: str) -> None:
    """Raise :class:`SpecError` unless a name of a cell or node can stand in a state dict."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SpecError(
            f"{place}: {name!a:.80} cannot be a name; expected a letter followed by up to 63 "
            "letters, digits or underscores"
        )


def check_title(place: str, name: str) -> None:
    """Raise :class:`SpecError` unless a name of a space or genotype can be shown on a line."""
    if not isinstance(name, str) or not 1 <= len(name) <= 200 or not name.isprintable():
        raise SpecError(f"{place}: {name!a:.60} cannot be shown; expected 1 to 200 characters")

"""How much the command of this process says beside its results."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

Detail = Literal["quiet", "usual", "verbose"]

DETAILS: Mapping[str, Detail] = MappingProxyType(
    {"-q": "quiet", "--quiet": "quiet", "-v": "verbose", "--verbose": "verbose"}
)
"""Option of every command -> what it asks for."""
_asked: Detail = "usual"


def take_detail(words: Sequence[str]) -> list[str]:
    """Keep what a command line asks for, the last word of it; return the other words."""
    global _asked
    asked = [DETAILS[word] for word in words if word in DETAILS]
    _asked = asked[-1] if asked else "usual"
    return [word for word in words if word not in DETAILS]


def detail() -> Detail:
    """Return what was asked for. quiet: results, warnings and errors only; verbose: a line of
    progress a second, and the traceback of an error."""
    return _asked

"""Search spaces and genotypes by name."""

from fnmatch import fnmatch
from pathlib import Path

from nasface.arch import io
from nasface.arch.space import SearchSpace, Value


def list_search_spaces(pattern: str = "*") -> list[str]:
    """Names of the packaged search spaces that match a pattern such as ``"autofem*"``, sorted."""
    return _matching("nasface.search_spaces", pattern)


def list_genotypes(pattern: str = "*") -> list[str]:
    """Names of the packaged genotypes that match a pattern such as ``"asfd*"``, sorted."""
    return _matching("nasface.genotypes", pattern)


def load_search_space(name: str | Path, **parameters: Value) -> SearchSpace:
    """Load the search space of a packaged name or a YAML file.

    ``parameters`` are those that the file declares, such as ``nodes=4``.

    Raises:
        SpecError: naming the file, the place in it and what would be accepted.
    """
    return io.load_search_space(name, parameters)


def _matching(package: str, pattern: str) -> list[str]:
    return [name for name in io.packaged_names(package) if fnmatch(name, pattern)]

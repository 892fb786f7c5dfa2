"""Search spaces and genotypes by name."""

from fnmatch import fnmatch

from nasface.arch import io


def list_search_spaces(pattern: str = "*") -> list[str]:
    """Return the names of packaged search spaces that match a pattern such as ``"autofem*"``,
    sorted."""
    return _matching("nasface.search_spaces", pattern)


def list_genotypes(pattern: str = "*") -> list[str]:
    """Return the names of packaged genotypes that match a pattern such as ``"asfd*"``, sorted."""
    return _matching("nasface.genotypes", pattern)


def _matching(package: str, pattern: str) -> list[str]:
    return [name for name in io.packaged_names(package) if fnmatch(name, pattern)]

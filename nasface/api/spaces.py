"""Search spaces and genotypes by name."""

from nasface.api.arguments import matching
from nasface.arch.io import packaged_names


def list_search_spaces(pattern: str = "*") -> list[str]:
    """Return the names of packaged search spaces that match a pattern such as ``"autofem*"``,
    sorted."""
    return matching(packaged_names("nasface.search_spaces"), pattern)


def list_genotypes(pattern: str = "*") -> list[str]:
    """Return the names of packaged genotypes that match a pattern such as ``"asfd*"``, sorted."""
    return matching(packaged_names("nasface.genotypes"), pattern)

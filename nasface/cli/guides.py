"""The guides of all commands."""

from collections.abc import Mapping
from types import MappingProxyType

from nasface.cli.guide import Guide
from nasface.cli.guides_of_detectors import DETECTOR_GUIDES
from nasface.cli.guides_of_searches import SEARCH_GUIDES

GUIDES: Mapping[str, Guide] = MappingProxyType({**DETECTOR_GUIDES, **SEARCH_GUIDES})
"""Words of a command -> its guide."""


def guide_of(words: str) -> Guide:
    """Return the guide of a command; that of its verb where an action or protocol has none."""
    return GUIDES.get(words) or GUIDES.get(words.split()[0]) or Guide(())

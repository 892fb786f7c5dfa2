"""Further protocols that score the detections of an evaluation (``also``)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from nasface.engine.evaluate import Evaluation, score
from nasface.errors import ConfigError, DataError, check_kind
from nasface.io.settings import with_settings
from nasface.metrics.protocol import Protocol, Source, Truth
from nasface.metrics.registry import PROTOCOLS


@dataclass(frozen=True)
class FurtherProtocol:
    """A further protocol that scores what was found."""

    protocol: Protocol
    options: Any
    truth: Truth

    def score(self, found: Evaluation) -> Evaluation:
        """Score the same detections."""
        return score(
            found.detections,
            self.truth,
            self.protocol,
            self.options,
            found.source,
            tuple(name for name in found.left_out if name in set(self.truth.names)),
        )


def further_protocols(
    names: Sequence[str], first: Protocol, truth: Truth, options: Any, source: Source
) -> list[FurtherProtocol]:
    """Return what scores the detections that are made for the ``truth`` of the ``first`` protocol.

    ``options`` are those of the first; what they share with another, it has too.

    Raises:
        ConfigError: for an unknown protocol, or one that is named twice. DataError: for one that
            counts images which the first leaves out.
    """
    check_kind("also", names, (list, tuple), "names of protocols")
    found: list[FurtherProtocol] = []
    for name in names:
        other = PROTOCOLS.find(name, "also")
        if other in (first, *(each.protocol for each in found)):
            raise ConfigError(f"also: {name}: is scored by already; expected each protocol once")
        shared = {
            each.name: value
            for each in fields(other.options)
            if (value := getattr(options, each.name, None)) is not None
        }
        made = with_settings(other.options(), shared, f"also: {name}")
        theirs = other.read_truth(source, made)
        if strange := [each for each in theirs.names if each not in set(truth.names)]:
            raise DataError(
                f"also: {name} counts {len(strange)} images that {first.name} leaves out, such as "
                f"{strange[0]!r}; expected data of the same images"
            )
        found.append(FurtherProtocol(other, made, theirs))
    return found

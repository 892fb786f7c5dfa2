"""Rules by which anchors are assigned to faces, by name."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nasface.registry import Lazy, Registry
from nasface.structures import Predictions, Targets

if TYPE_CHECKING:
    from nasface.detection.matching import MatchConfig, Matches


Assigner = Callable[[Predictions, Sequence[Targets], "MatchConfig"], "list[Matches]"]
"""Assigns the anchors of a batch to the faces of its images.

The predictions are those of one shot on B images, for which there are as many targets and, in the
result, matches; a rule may look at the anchors alone.
"""

ASSIGNERS: Registry[Assigner] = Registry("assignment")
"""Name -> rule."""


def register_assigner(name: str, assign: Assigner) -> None:
    """Add a rule; ``--match.assignment`` may then name it.

    Raises:
        ConfigError: if the name is taken.
    """
    ASSIGNERS.add(name, assign)


register_assigner("overlap", Lazy("nasface.detection.matching:assign_by_overlap"))
register_assigner("atss", Lazy("nasface.detection.atss:assign_by_atss"))
register_assigner("simota", Lazy("nasface.detection.simota:assign_by_simota"))

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

ANCHOR_RULES: set[str] = set()
"""Names of the rules that look at the anchors alone: they assign the same whatever is predicted."""


def register_assigner(name: str, assign: Assigner, *, anchors_alone: bool = False) -> None:
    """Add a rule; ``--match.assignment`` may then name it.

    ``anchors_alone``: it reads anchors and grid of the predictions, neither logits nor offsets.

    Raises:
        ConfigError: if the name is taken, or for what cannot be called.
    """
    ASSIGNERS.check_callable(name, assign)
    ASSIGNERS.add(name, assign)
    (ANCHOR_RULES.add if anchors_alone else ANCHOR_RULES.discard)(name)


register_assigner(
    "overlap", Lazy("nasface.detection.matching:assign_by_overlap"), anchors_alone=True
)
register_assigner("atss", Lazy("nasface.detection.atss:assign_by_atss"), anchors_alone=True)
register_assigner("simota", Lazy("nasface.detection.simota:assign_by_simota"))

"""Verdict of a search: how many choices are decided, and what would help to decide the rest."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from nasface.nas.coverage import Decision

OPEN_LEAD = 0.1
"""A choice whose leader is ahead by less than this part of an even share is open: a search that has
learnt nothing gives about 0.001, the noise of its start."""
OPEN_SHARE = 0.5
"""With this part of its choices open, a search is undecided."""
FEW_VISITS = 20
"""A candidate that was trained in fewer steps was hardly trained at all."""


@dataclass(frozen=True)
class Verdict:
    """Verdict of a search: decided, partly decided or undecided.

    Of ``choices`` nodes, ``close`` have a leader that is hardly ahead (:data:`OPEN_LEAD`), and
    ``changed`` changed what they keep in the last ``epochs`` epochs; ``open_choices`` are either or
    both. ``entropy`` is their mean, from 0 to 1, and ``least_visits`` the steps in which the least
    trained candidate was trained. These limits are ours: no paper gives any.
    """

    choices: int
    open_choices: int
    close: int
    changed: int
    epochs: int
    entropy: float
    least_visits: int

    @property
    def is_undecided(self) -> bool:
        """Whether the result is close to one drawn at random."""
        return self.open_choices > 0 and self.open_choices >= OPEN_SHARE * self.choices

    def __str__(self) -> str:
        if not self.open_choices:
            return f"decided: all {self.choices} choices"
        word = "undecided: close to random" if self.is_undecided else "partly decided"
        span = "the last epoch" if self.epochs == 1 else f"the last {self.epochs} epochs"
        return (
            f"{word}; {self.open_choices} of {self.choices} choices are open: {self.close} lead by "
            f"less than a tenth of an even share, {self.changed} changed in {span}; mean entropy "
            f"{self.entropy:.3f} (1 is undecided)"
        )

    @property
    def advice(self) -> tuple[str, ...]:
        """Advice, most useful first; empty for a search that is decided."""
        if not self.open_choices:
            return ()
        found = []
        if self.least_visits < FEW_VISITS:
            found.append(
                f"more --warmup-epochs: a candidate was trained in {self.least_visits} steps only"
            )
        found.append("more --epochs, or a greater --arch-lr")
        if self.is_undecided:
            found.append("fewer candidates: fewer nodes (--parameters), or a smaller --space")
        found.append("several seeds beside random cells: nasface compare")
        return tuple(found)


def judge(
    decisions: Sequence[Decision], changed: Collection[tuple[str, str]] = (), epochs: int = 1
) -> Verdict:
    """Return the verdict on the choices of a search; ``changed`` are those (cell, node) that
    changed what they keep in the last ``epochs`` epochs.

    >>> row = Decision("c3", "n1", candidates=10, entropy=0.9999, margin=0.0002, least=40, most=50)
    >>> str(judge([row])).split(";")[0]
    'undecided: close to random'
    """
    close = {
        (each.cell, each.node, each.what)
        for each in decisions
        if each.margin * each.candidates < OPEN_LEAD
    }
    late = {
        (each.cell, each.node, each.what)
        for each in decisions
        if each.what == "edges" and (each.cell, each.node) in changed
    }
    count = len(decisions)
    return Verdict(
        count,
        len(close | late),
        len(close),
        len(late),
        epochs,
        sum(each.entropy for each in decisions) / count if count else 0.0,
        min((each.least for each in decisions), default=0),
    )

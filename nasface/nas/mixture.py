"""What a supernet executes in one step: paths with their gates, or weights for all candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import Tensor

from nasface.nas.candidates import Pair
from nasface.nas.rules import RuleMixture


@dataclass(frozen=True)
class GatedOp:
    """A pair that is executed; ``gate`` multiplies its output and is ``None`` for a plain one.

    ``is_unit``: the gate's value is one, or zero for a probe, and only its gradient matters.
    """

    edge: int
    column: int
    gate: Tensor | None = None
    is_unit: bool = False


@dataclass(frozen=True)
class InputSlot:
    """A place among the inputs of a node: the pair on the path and the probes that challenge it."""

    chosen: GatedOp
    probes: tuple[GatedOp, ...] = ()


@dataclass(frozen=True)
class PathMixture:
    """Per node its slots; nothing else is executed.

    ``every_edge``: there is a slot for each edge, also for those that derivation would drop.
    ``rules``: how nodes combine their edges that have a choice of it.
    """

    slots: tuple[tuple[InputSlot, ...], ...]
    every_edge: bool = False
    rules: RuleMixture = field(default_factory=dict)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs on the path, without probes."""
        return tuple((s.chosen.edge, s.chosen.column) for node in self.slots for s in node)


@dataclass(frozen=True)
class SoftMixture:
    """Every candidate is executed: ``weights_EO`` per edge sum to one, ``gates_E`` per node."""

    weights_EO: Tensor
    gates_E: Tensor | None
    rules: RuleMixture = field(default_factory=dict)


CellMixture: TypeAlias = PathMixture | SoftMixture
Mixture: TypeAlias = Mapping[str, CellMixture]

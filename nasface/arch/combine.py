"""The rules by which a node combines the outputs of its edges, one entry each.

Fixed cells, supernets, exports and drawings read this table. It is read without torch: modules are
classes of :mod:`nasface.nn.combine`, imported when first used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nasface.errors import SpecError
from nasface.registry import Lazy, Registry


@dataclass(frozen=True)
class CombineRule:
    """A combine rule.

    Args:
        name: how spaces and genotypes name it.
        text: what it is, for texts and the legend of drawings.
        build: (channels, edges) -> the torch module of a node with that many edges. Forward: their
            values, each (B, channels, H, W), and their numbers -> (B, channels, H, W). The numbers,
            from 0, say which of the edges the values came by; without them all are given. Plain
            Python export copies the source of the class.
        build_searched: the same for the nodes of a supernet, where a path has few of the edges;
            ``build`` if None.
        sign: the operator that does the same to two values in plain Python, if there is one.
        symbol: drawn in a node instead of its name.
    """

    name: str
    text: str
    build: Callable[[int, int], Any]
    build_searched: Callable[[int, int], Any] | None = None
    sign: str = ""
    symbol: str = ""


COMBINE_RULES: Registry[CombineRule] = Registry("combine rule", SpecError)
"""Name -> rule."""


def register_combine(rule: CombineRule) -> None:
    """Add a combine rule; spaces and genotypes may then name it.

    Raises:
        SpecError: if the name is taken, or for what is no rule.
    """
    COMBINE_RULES.check_entry(rule, CombineRule)
    COMBINE_RULES.add(rule.name, rule)


def _class(name: str) -> Lazy:
    return Lazy(f"nasface.nn.combine:{name}")


for _each in (
    CombineRule("sum", "sum of its sources", _class("Sum"), sign="+"),
    CombineRule("weighted_sum", "sum of its sources, shares learned", _class("WeightedSum")),
    CombineRule(
        "product",
        "product of its sources",
        _class("Product"),
        sign="*",
        symbol="\N{MULTIPLICATION SIGN}",
    ),
    CombineRule(
        "concat",
        "1x1 convolution of the concatenation",
        _class("Concat"),
        build_searched=_class("SearchedConcat"),
    ),
):
    register_combine(_each)

"""What stands in the legend of a drawn genotype, for any program that draws."""

from dataclasses import dataclass

from nasface.arch.operations import OPERATION_NAMES
from nasface.drawing.graph import FILL, FIXED, SIDES, Role, operation_colours
from nasface.drawing.page import Sheet

_ROLES: tuple[Role, ...] = ("input", "node", "leaf", "product", "output")
_WORDS = {"leaf": "leaf, part of an output", "product": "product of its sources"}


@dataclass(frozen=True)
class Entry:
    """A line of the legend: a coloured arrow or, of a ``role``, a filled vertex."""

    text: str
    colour: str
    role: Role | None = None


def legend(sheet: Sheet) -> list[Entry]:
    """The entries that a sheet needs: operations or sides, then kinds of vertices."""
    if sheet.compares:
        first, second = sheet.compares
        entries = [
            Entry("in both", SIDES["both"]),
            Entry(f"in {first} only", SIDES["first"]),
            Entry(f"in {second} only", SIDES["second"]),
        ]
    else:
        entries = [
            Entry(f"{name}: {OPERATION_NAMES[name]}", operation_colours()[name])
            for name in sheet.operations
        ]
        entries.append(Entry("skip or fixed connection", FIXED))
    used = {vertex.role for cell, _ in sheet.cells for vertex in cell.vertices}
    return entries + [
        Entry(_WORDS.get(role, role), FILL[role], role) for role in _ROLES if role in used
    ]

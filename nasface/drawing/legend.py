"""The legend of a drawn genotype."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from nasface.arch.combine import COMBINE_RULES
from nasface.arch.operations import OPERATIONS
from nasface.drawing.graph import FILL, FIXED, SIDES, Arrow, Role, Vertex, operation_colours

_ROLES: tuple[Role, ...] = ("input", "node", "leaf", "symbol", "output")
_SIGN = "\N{HORIZONTAL BAR}\N{BLACK RIGHT-POINTING TRIANGLE}"


@dataclass(frozen=True)
class LegendEntry:
    """A line of the legend: a coloured arrow or, of a ``role``, a filled vertex."""

    text: str
    colour: str
    role: Role | None = None


def legend(
    vertices: Iterable[Vertex], arrows: Iterable[Arrow], compares: tuple[str, str] | None = None
) -> list[LegendEntry]:
    """Return the entries that a drawing needs: operations or the two genotypes compared, then
    vertices."""
    shown = list(vertices)
    if compares:
        first, second = compares
        entries = [
            LegendEntry("in both", SIDES["both"]),
            LegendEntry(f"in {first} only", SIDES["first"]),
            LegendEntry(f"in {second} only", SIDES["second"]),
        ]
    else:
        used = {arrow.operation for arrow in arrows}
        entries = [
            LegendEntry(f"{name}: {OPERATIONS[name].text}", colour)
            for name, colour in operation_colours().items()
            if name in used
        ]
        entries.append(LegendEntry("skip or fixed connection", FIXED))
    labels = {role: {each.label for each in shown if each.role == role} for role in _ROLES}
    for role in (each for each in _ROLES if labels[each]):
        texts = {"leaf": ["leaf, part of an output"]}.get(role, [role])
        if role == "symbol":
            rules = [rule for rule in COMBINE_RULES.values() if rule.symbol in labels[role]]
            texts = [f"{rule.symbol} {rule.text}" for rule in rules]
        entries += [LegendEntry(text, FILL[role], role) for text in texts]
    return entries


def legend_table(entries: list[LegendEntry], columns: int = 3) -> str:
    """Return the legend as a table in Graphviz' HTML, filled column by column."""
    rows = -(-len(entries) // columns)
    body = "".join(
        f"<tr>{''.join(_cells(each) for each in entries[row::rows])}</tr>" for row in range(rows)
    )
    return f'<<table border="0" cellspacing="2" cellpadding="1">{body}</table>>'


def _cells(entry: LegendEntry) -> str:
    """Return two cells of the table: an arrow or a box, then the text."""
    if entry.role is None:
        sign = f'<td><font color="{entry.colour}">{_SIGN}</font></td>'
    else:
        sign = f'<td border="1" width="12" bgcolor="{entry.colour}"></td>'
    return f'{sign}<td align="left"> {escape(entry.text)}    </td>'

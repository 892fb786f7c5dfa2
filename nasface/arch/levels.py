"""A part of a pyramid, and cells that are equal but for their level."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from nasface.arch.graph import MAX_LEVELS, CellGraph, Input, Node
from nasface.errors import SpecError


def read_levels(text: str) -> range:
    """Return the levels that a text such as ``3-5`` names.

    Raises:
        SpecError: for another text.
    """
    match = re.fullmatch(r"(\d{1,2})-(\d{1,2})", text)
    if match is None or not int(match[1]) <= int(match[2]) <= MAX_LEVELS:
        raise SpecError(f"levels: {text!r:.60}, expected the first and the last, such as 3-5")
    return range(int(match[1]), int(match[2]) + 1)


def at_levels(
    inputs: Sequence[Input], nodes: Sequence[Node], levels: range
) -> tuple[tuple[Input, ...], tuple[Node, ...]]:
    """Return the inputs and nodes at some levels, without the edges from what is left out.

    A node that loses all its edges is left out as well; one that keeps more edges than it has left
    keeps them all.
    """
    kept_inputs = tuple(each for each in inputs if each.level in levels)
    present = {each.name for each in kept_inputs}
    kept_nodes = []
    for node in nodes:
        edges = tuple(edge for edge in node.edges if edge.source in present)
        if node.level in levels and (edges or not node.edges):
            keep = node.keep if node.keep == "all" else min(node.keep, len(edges))
            kept_nodes.append(replace(node, edges=edges, keep=keep))
            present.add(node.name)
    return kept_inputs, tuple(kept_nodes)


def check_tied(place: str, groups: Sequence[Sequence[str]], cells: Mapping[str, CellGraph]) -> None:
    """Raise :class:`SpecError` unless the cells of each group are equal but for their level."""
    for group in groups:
        first, *others = (_lowered(cells[name]) for name in group)
        for name, other in zip(group[1:], others, strict=True):
            if other != first:
                raise SpecError(
                    f"{place}: {group[0]} and {name} differ in more than their level, so they "
                    "cannot share their choices"
                )


def _lowered(cell: CellGraph) -> tuple[object, ...]:
    """Return the cell with its lowest level at 0."""
    lowest = min(min(each.level for each in cell.inputs), min(each.level for each in cell.nodes))
    return (
        tuple(replace(each, level=each.level - lowest) for each in cell.inputs),
        tuple(replace(each, level=each.level - lowest) for each in cell.nodes),
        cell.output,
    )

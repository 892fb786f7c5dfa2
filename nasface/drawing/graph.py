"""The graph that is drawn of a cell, or of two that are compared: vertices and arrows."""

from collections.abc import Iterable, Mapping, Sequence
from colorsys import hls_to_rgb
from dataclasses import dataclass, replace
from functools import cache
from math import dist
from typing import Literal

from nasface.arch.combine import COMBINE_RULES
from nasface.arch.genotype import CellGene
from nasface.arch.graph import Transform
from nasface.arch.operations import OPERATIONS

Role = Literal["input", "node", "leaf", "symbol", "output"]
DiffSide = Literal["", "both", "first", "second"]
NodeProbabilities = Sequence[Sequence[float | None]]
"""For each node of a cell, for each edge into it, the probability of its operation, if known."""

FILL: Mapping[Role, str] = {
    "input": "#56b4e9",
    "node": "#f5f5f5",
    "leaf": "#a6dba0",
    "symbol": "#ffffff",
    "output": "#f0e442",
}
"""Fill colour of each kind of vertex (Okabe and Ito's palette, safe for the colour-blind)."""
FIXED = "#8a8a8a"
SIDES: Mapping[DiffSide, str] = {"both": "#6a6a6a", "first": "#d55e00", "second": "#0072b2"}
"""Colour of what a comparison finds in both genotypes or in one of them."""
_PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c510a", "#5e3c99", "#1b7837", "#b2182b",
    "#4393c3", "#c51b7d", "#01665e", "#bf812d", "#4d4d4d", "#7f0000", "#827717", "#00695c",
)  # fmt: skip
_ARROWS: Mapping[Transform, str] = {"none": "", "up2": "↑2", "down2": "↓2", "stride": "s2"}


@dataclass(frozen=True)
class Vertex:
    """A drawn vertex; ``level`` is that of its features."""

    name: str
    label: str
    role: Role
    level: int


@dataclass(frozen=True)
class Arrow:
    """A drawn edge; ``operation`` is empty for the step from a leaf to the output.

    ``side``: in a comparison, where the edge is found; ``is_named``: whether a skip is labelled
    too; ``probability``: that of the operation, in the label.
    """

    source: str
    target: str
    operation: str
    mark: str
    side: DiffSide = ""
    is_named: bool = False
    probability: float | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether nothing is computed on the edge."""
        return self.operation in ("", "skip")

    @property
    def is_thin(self) -> bool:
        """Whether it is drawn thin: a fixed connection, unless genotypes differ in it."""
        return self.is_fixed and self.side in ("", "both")

    @property
    def colour(self) -> str:
        """That of its side in a comparison; else grey, or the operation's own."""
        if self.side:
            return SIDES[self.side]
        return FIXED if self.is_fixed else operation_colours()[self.operation]

    @property
    def label(self) -> str:
        """What stands on the edge; a skip is named where genotypes are compared or if wanted."""
        is_named = self.is_named or self.probability is not None or not self.is_thin
        name = self.operation if is_named else ""
        share = "" if self.probability is None else f"{self.probability:.2f}"
        return " ".join(part for part in (name, self.mark, share) if part)


def operation_colours() -> Mapping[str, str]:
    """Return a fixed colour for each operation."""
    return colours_of(tuple(name for name in OPERATIONS if name not in ("none", "skip")))


@cache
def colours_of(names: tuple[str, ...]) -> Mapping[str, str]:
    """Return the different colours for names, in their order: names added at the end change no
    other's.

    The palette first; past its end always the one that is least like all before it.
    """
    colours = list(_PALETTE[: len(names)])
    while len(colours) < len(names):
        colours.append(_unlike([*colours, FIXED]))
    return dict(zip(names, colours, strict=True))


def _unlike(taken: Iterable[str]) -> str:
    """Return, of shades that are dark enough for white paper, the farthest from all colours
    taken."""
    there = [tuple(bytes.fromhex(each[1:])) for each in taken]
    shades = [
        tuple(round(255 * each) for each in hls_to_rgb(hue / 36, lightness, 0.8))
        for lightness in (0.2, 0.35, 0.5)
        for hue in range(36)
    ]
    best = max(shades, key=lambda shade: min(dist(shade, each) for each in there))
    return f"#{bytes(best).hex()}"


def cell_graph(
    gene: CellGene, probabilities: NodeProbabilities = ()
) -> tuple[list[Vertex], list[Arrow]]:
    """Return the vertices of a cell in the order in which they are computed, and its arrows.

    ``probabilities``, if any, are those of the edges into each node.
    """
    graph = gene.to_networkx()
    leaves = {name for output in gene.outputs for name in output.sources}
    vertices = []
    for name, kind in graph.nodes(data="kind"):
        role, label = kind, name
        if kind == "output":
            label = "out"
        elif kind == "node" and (symbol := COMBINE_RULES[graph.nodes[name]["combine"]].symbol):
            role, label = "symbol", symbol
        elif name in leaves:
            role = "leaf"
        vertices.append(Vertex(name, label, role, graph.nodes[name]["level"]))
    shares = probabilities or [[None] * len(node.edges) for node in gene.nodes]
    arrows = [
        Arrow(edge.source, node.name, edge.operation, _ARROWS[edge.transform], probability=share)
        for node, of_node in zip(gene.nodes, shares, strict=True)
        for edge, share in zip(node.edges, of_node, strict=True)
    ]
    arrows += [
        Arrow(source, target, "", "")
        for source, target in graph.edges()
        if graph.nodes[target]["kind"] == "output"
    ]
    return vertices, arrows


def compare_cells(
    first: CellGene | None, second: CellGene | None
) -> tuple[list[Vertex], list[Arrow]]:
    """Return two cells over each other; an arrow knows whether it is in the first, the second or
    both.

    A vertex has the role of the first cell where that has it. A cell may be missing.
    """
    one, other = (([], []) if each is None else cell_graph(each) for each in (first, second))
    return merge_vertices([*one[0], *other[0]]), _sided(one[1], other[1])


def merge_vertices(vertices: Iterable[Vertex]) -> list[Vertex]:
    """Return one vertex of each name, the first; inputs in front of the nodes and outputs behind
    them."""
    found: dict[str, Vertex] = {}
    for vertex in vertices:
        found.setdefault(vertex.name, vertex)
    order = ("input", "node", "output")
    kind = {"leaf": "node", "symbol": "node"}
    return sorted(found.values(), key=lambda each: order.index(kind.get(each.role, each.role)))


def _sided(first: list[Arrow], second: list[Arrow]) -> list[Arrow]:
    """Return the arrows of both lists, each with the side on which it is found."""
    left = list(second)
    arrows = []
    for arrow in first:
        if arrow in left:
            left.remove(arrow)
            arrows.append(replace(arrow, side="both"))
        else:
            arrows.append(replace(arrow, side="first"))
    return arrows + [replace(arrow, side="second") for arrow in left]

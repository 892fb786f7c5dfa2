"""The graph of a cell: nodes at levels, edges with their candidate operations.

A cell is a directed acyclic graph. Inputs and nodes carry a *level*: level ``l`` has a stride of
``2**l`` pixels, so an edge from level ``l`` to ``l - 1`` doubles the resolution. Every edge names
the operations that may sit on it; an edge with one candidate is fixed. This is the only place
where an edge has an index: edges are numbered node by node, in the order in which they are listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from nasface.arch.combine import COMBINE_RULES
from nasface.arch.names import check_name
from nasface.arch.operations import OPERATIONS
from nasface.errors import SpecError

if TYPE_CHECKING:
    import networkx as nx

Transform = Literal["none", "up2", "down2", "stride"]
OutputRule = Literal["cat-all", "cat-leaf"]
Projection = Literal["none", "conv", "conv_norm_relu"]

MAX_LEVELS = 20
"""The coarsest level has a stride of 2 to this power."""

LEVEL_STEP: Mapping[Transform, int] = {"none": 0, "up2": -1, "down2": 1, "stride": 1}
"""How many levels an edge climbs (towards coarser resolution) under each transform."""


@dataclass(frozen=True)
class Input:
    """A feature map that enters the cell."""

    name: str
    level: int


@dataclass(frozen=True)
class Edge:
    """A connection into a node and the operations it may carry.

    ``transform`` changes the resolution: ``up2`` (bilinear) and ``down2`` (3x3 max pooling) come
    before the operation, ``stride`` runs the operation itself at stride 2.
    """

    source: str
    operations: tuple[str, ...]
    transform: Transform = "none"


@dataclass(frozen=True)
class Node:
    """A feature map computed inside the cell.

    ``keep``: how many incoming edges a derived cell has; an integer from 1, or ``all``.
    ``combine``: the rule by which it combines them, or the rules between which a search chooses.
    """

    name: str
    level: int
    edges: tuple[Edge, ...]
    combine: str | tuple[str, ...] = "sum"
    keep: int | Literal["all"] = "all"

    @property
    def kept(self) -> int:
        """The number of incoming edges of the derived node."""
        return len(self.edges) if self.keep == "all" else self.keep

    @property
    def rules(self) -> tuple[str, ...]:
        """The candidates among the combine rules; one where there is no choice."""
        return (self.combine,) if isinstance(self.combine, str) else self.combine


@dataclass(frozen=True)
class Output:
    """What leaves the cell, at each level that has nodes.

    ``cat-all`` concatenates every node of the level, ``cat-leaf`` (the paper's) those that no node
    consumes. The concatenation is then projected to the cell's width by a 1x1 convolution, with
    normalisation and ReLU or without; ``none`` leaves it as wide as it is. ``residual`` adds the
    input of the same level.
    """

    rule: OutputRule = "cat-leaf"
    projection: Projection = "conv_norm_relu"
    residual: bool = False


@dataclass(frozen=True)
class CellGraph:
    """A cell whose invariants hold: checked when it is made.

    ``width``: the channels of its nodes as a share of those of the maps around it, or the shares
    between which a search chooses. Below 1 a 1x1 convolution stands behind each input, and the
    projection leads back. 0: the cell is left out, and its levels pass as they are.

    Raises:
        SpecError: naming the node or edge and what would be accepted.
    """

    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    output: Output
    width: float | tuple[float, ...] = 1.0

    def __post_init__(self) -> None:
        levels = check_sources(self.inputs, self.nodes)
        for position, node in enumerate(self.nodes):
            _check_node(f"nodes.{position} ({node.name})", node, levels)
        _check_output(self)
        _check_width(self)

    @property
    def widths(self) -> tuple[float, ...]:
        """The candidates among the widths; one where there is no choice."""
        return self.width if isinstance(self.width, tuple) else (self.width,)

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every edge, node by node; the position is the edge's index."""
        return tuple(edge for node in self.nodes for edge in node.edges)

    @cached_property
    def edges_into(self) -> tuple[range, ...]:
        """The edge indices of each node, in the order of ``nodes``."""
        ranges, start = [], 0
        for node in self.nodes:
            ranges.append(range(start, start + len(node.edges)))
            start += len(node.edges)
        return tuple(ranges)

    @cached_property
    def output_levels(self) -> tuple[int, ...]:
        """The levels at which the cell has an output, finest first."""
        return tuple(sorted({node.level for node in self.nodes}))

    def to_networkx(self, active_edges: frozenset[int] | None = None) -> "nx.MultiDiGraph[str]":
        """Return the inputs and nodes as a graph of networkx, with ``active_edges`` or all edges.

        :mod:`nasface.arch.networkx_graph` describes its attributes.
        """
        from nasface.arch.networkx_graph import graph_of_space_cell

        return graph_of_space_cell(self, active_edges)

    def leaves(self, active_edges: frozenset[int] | None = None) -> tuple[int, ...]:
        """Return the positions of the nodes that no node consumes over ``active_edges`` (all if
        None)."""
        graph = self.to_networkx(active_edges)
        return tuple(at for at, node in enumerate(self.nodes) if graph.out_degree(node.name) == 0)

    def sources_of_outputs(
        self, active_edges: frozenset[int] | None = None
    ) -> dict[int, tuple[int, ...]]:
        """Return level -> positions of the nodes concatenated there, under the output rule."""
        chosen = (
            range(len(self.nodes)) if self.output.rule == "cat-all" else self.leaves(active_edges)
        )
        return {
            level: tuple(at for at in chosen if self.nodes[at].level == level)
            for level in self.output_levels
        }


def check_sources(inputs: tuple[Input, ...], nodes: tuple[Node, ...]) -> dict[str, int]:
    """Return the level of each input and node by name, after checking that the graph has no cycle.

    A node may draw on inputs and on nodes listed before it, which rules cycles out.

    Raises:
        SpecError: for an empty cell, a repeated name or an unknown or later source.
    """
    if not inputs or not nodes:
        raise SpecError("inputs, nodes: a cell needs at least one of each")
    levels: dict[str, int] = {}
    parts: tuple[tuple[str, tuple[Input | Node, ...]], ...] = (("inputs", inputs), ("nodes", nodes))
    for part, members in parts:
        for position, member in enumerate(members):
            check_name(f"{part}.{position}.name", member.name)
            if member.name in levels:
                raise SpecError(f"{part}.{position}.name: {member.name!r} is already taken")
            if isinstance(member, Node):
                for at, edge in enumerate(member.edges):
                    if edge.source not in levels:
                        raise SpecError(
                            f"nodes.{position}.edges.{at}.source: {edge.source!r} is not an input "
                            f"or an earlier node; expected one of {', '.join(levels)}"
                        )
            if not 0 <= member.level <= MAX_LEVELS:
                raise SpecError(
                    f"{part}.{position}.level: {member.level} is not between 0 and {MAX_LEVELS}"
                )
            levels[member.name] = member.level
    return levels


def width_name(width: float) -> str:
    """Return the name of a width among the choices of a search, such as ``0.5``."""
    return f"{width:g}"


def check_edge_level(place: str, transform: Transform, source_level: int, level: int) -> None:
    """Raise :class:`SpecError` unless the transform leads from one level to the other."""
    expected = source_level + LEVEL_STEP[transform]
    if expected != level:
        raise SpecError(
            f"{place}.transform: {transform!r} leads from level {source_level} to {expected}, "
            f"the node is at level {level}; expected one of {', '.join(get_args(Transform))} "
            "that leads there"
        )


def _check_node(place: str, node: Node, levels: Mapping[str, int]) -> None:
    if not node.edges:
        raise SpecError(f"{place}.edges: a node needs at least one edge")
    if node.keep != "all" and not 1 <= node.keep <= len(node.edges):
        raise SpecError(f"{place}.keep: {node.keep} is not 'all' or 1 to {len(node.edges)}")
    for rule in node.rules:
        COMBINE_RULES.find(rule, f"{place}.combine")
    if not node.rules or len(set(node.rules)) < len(node.rules):
        raise SpecError(f"{place}.combine: expected one or more rules, all different")
    for at, edge in enumerate(node.edges):
        here = f"{place}.edges.{at}"
        check_edge_level(here, edge.transform, levels[edge.source], node.level)
        for name in edge.operations:
            check_operation(f"{here}.operations", name)
        if len(set(edge.operations)) != len(edge.operations):
            raise SpecError(f"{here}.operations: an operation is listed twice")
        if not set(edge.operations) - {"none"}:
            raise SpecError(f"{here}.operations: needs at least one operation other than none")


def check_operation(place: str, name: str) -> None:
    """Raise :class:`SpecError` for a name that is not in the operations table."""
    OPERATIONS.find(name, place)


def _check_output(cell: CellGraph) -> None:
    output = cell.output
    leaves_vary = output.rule == "cat-leaf" and any(n.kept < len(n.edges) for n in cell.nodes)
    if output.projection == "none" and leaves_vary:
        raise SpecError(
            "output.projection: none leaves the width open, since the leaves depend on the edges "
            "kept; expected conv or conv_norm_relu, or rule cat-all"
        )
    if output.rule == "cat-leaf":
        never_consumed = {cell.nodes[at].level for at in cell.leaves()}
        for level in sorted(set(cell.output_levels) - never_consumed):
            raise SpecError(
                f"output.rule: cat-leaf could leave level {level} without a leaf, since every node "
                "there is drawn on; expected a node at each level that no edge leaves, or rule "
                "cat-all"
            )
    input_levels = {each.level for each in cell.inputs}
    if output.residual and (
        output.projection == "none" or not set(cell.output_levels) <= input_levels
    ):
        raise SpecError(
            "output.residual: needs a projection and an input at each output level "
            f"{list(cell.output_levels)}, inputs are at {sorted(input_levels)}"
        )


def _check_width(cell: CellGraph) -> None:
    widths = cell.widths
    if not widths or len(set(map(width_name, widths))) < len(widths):
        raise SpecError("width: expected one or more shares, all different")
    if not all(0 <= each <= 1 for each in widths) or not any(widths):
        raise SpecError(
            f"width: {list(widths)}, expected shares of the channels up to 1, and one above 0"
        )
    if cell.output.projection == "none" and not {0.0, 1.0}.issuperset(widths):
        raise SpecError(
            "width: narrower nodes need a projection back; expected projection conv or "
            "conv_norm_relu, or width 1"
        )
    inputs = {each.level for each in cell.inputs}
    if 0 in widths and not set(cell.output_levels) <= inputs:
        raise SpecError(
            f"width: 0 passes on the input of each output level {list(cell.output_levels)}, inputs "
            f"are at {sorted(inputs)}; expected widths above 0"
        )

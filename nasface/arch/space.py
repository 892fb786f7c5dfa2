"""A search space: the cells to search, as a document with parameters and in its expanded form.

The document is what a YAML file holds. It may describe a cell node by node or as a *dense* block
(each node takes an edge from every input and every earlier node), and it may name parameters such
as the number of nodes, written ``$nodes`` where they are used. :func:`expand` turns it into a
:class:`SearchSpace`, in which everything is explicit.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from nasface.arch.genotype import Genotype
from nasface.arch.graph import (
    LEVEL_STEP,
    CellGraph,
    Edge,
    Input,
    Node,
    Output,
    Transform,
    check_operation,
)
from nasface.arch.levels import at_levels, check_tied, read_levels
from nasface.arch.names import check_name, check_title
from nasface.errors import SpecError
from nasface.io.yaml import write_yaml

ParameterValue: TypeAlias = bool | int | str
"""What a parameter of a space may be set to."""

MAX_NODES = 64
"""Nodes of a dense block: their edges grow with the square."""

ANY = "any"
"""Instead of a combine rule or a width: those of the space, between which a search chooses."""

Combine: TypeAlias = str | tuple[str, ...]
"""The combine rule of a node, or those between which a search chooses."""

Width: TypeAlias = float | Literal["any"] | tuple[float, ...]
"""The width of a cell's nodes, or those between which a search chooses."""


@dataclass(frozen=True)
class Parameter:
    """A value that a user may choose when loading the space."""

    default: ParameterValue
    choices: tuple[ParameterValue, ...]


@dataclass(frozen=True)
class EdgeDocument:
    """An edge; without ``operations`` it takes the candidates of the space."""

    source: str
    operations: tuple[str, ...] | None = None
    transform: Transform = "none"


@dataclass(frozen=True)
class NodeDocument:
    """A node listed by hand."""

    name: str
    level: int
    edges: tuple[EdgeDocument, ...]
    combine: Combine = "sum"
    keep: int | Literal["all"] = "all"


@dataclass(frozen=True)
class DenseDocument:
    """``nodes`` nodes, named n1, n2, ...: each takes an edge from all inputs and earlier nodes.

    ``input_transform`` applies to the edges that come from inputs (``stride`` in a reduction cell).
    """

    nodes: int
    keep: int | Literal["all"] = 1
    combine: Combine = "sum"
    input_transform: Transform = "none"
    operations: tuple[str, ...] | None = None


@dataclass(frozen=True)
class CellDocument:
    """A cell: its inputs, then either ``nodes`` or ``dense``."""

    inputs: tuple[Input, ...]
    output: Output
    nodes: tuple[NodeDocument, ...] | None = None
    dense: DenseDocument | None = None
    width: Width = 1.0


@dataclass(frozen=True)
class SpaceDocument:
    """A search-space file.

    ``partial_channels`` is K of PC-DARTS: on an edge with several candidates the first 1/K of the
    channels passes through the operations, the rest goes round them. ``edge_normalisation`` adds
    one architecture parameter per edge, normalised over the edges into a node.
    ``combine_rules`` are the candidates of a node whose ``combine`` is ``any``; a node that keeps
    a single edge has nothing to combine, and takes the first. ``widths`` are those of a cell whose
    ``width`` is ``any``.

    ``levels``, such as ``3-5``, leaves out what lies at other levels of the pyramid: cells, inputs
    and nodes with the edges from them. ``tied`` names one of ``groupings``: groups of cells, equal
    but for their level, that share their choices (not their weights, and not their width).
    """

    format: Literal[1]
    name: str
    operations: tuple[str, ...]
    cells: Mapping[str, CellDocument]
    description: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    partial_channels: int = 1
    edge_normalisation: bool = False
    combine_rules: tuple[str, ...] = ("sum", "weighted_sum", "product")
    widths: tuple[float, ...] = (1.0, 0.5, 0.25)
    levels: str | None = None
    groupings: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    tied: str | None = None


@dataclass(frozen=True, repr=False)
class SearchSpace:
    """A search space with everything explicit.

    ``operations`` is the order of the columns of all architecture parameters: the candidates of the
    space first, then operations that only fixed or specially listed edges use. ``tied`` are the
    groups of cells that share their choices, but for their width.
    """

    name: str
    cells: Mapping[str, CellGraph]
    operations: tuple[str, ...]
    partial_channels: int
    edge_normalisation: bool
    parameters: Mapping[str, ParameterValue]
    tied: tuple[tuple[str, ...], ...] = ()

    def __hash__(self) -> int:  # of a map the order does not count, as it does not for ==
        return hash((self.name, frozenset(self.cells.items()), frozenset(self.parameters.items())))

    def __repr__(self) -> str:
        cells = ", ".join(f"{name} ({len(cell.nodes)} nodes)" for name, cell in self.cells.items())
        settings = "".join(f", {name} {value}" for name, value in self.parameters.items())
        return f"<SearchSpace {self.name}{settings}: {len(self.operations)} operations, {cells}>"

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with anything that a genotype depends on."""
        parts: dict[str, object] = {
            "operations": self.operations,
            "cells": {name: _digest_content(cell) for name, cell in self.cells.items()},
        }
        if self.tied:
            parts["tied"] = self.tied
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write it as YAML, which :func:`nasface.load_search_space` reads.

        Raises:
            SpecError: for another suffix than ``.yaml`` or ``.yml``, or if a file is there and not
                to be replaced.
            OutputError: if it cannot be written.
        """
        return write_yaml(path, document_of(self), SpecError, overwrite=overwrite)

    def leader(self, cell: str) -> str:
        """Return the cell whose choices a cell takes: the first of its group, or itself."""
        return next((group[0] for group in self.tied if cell in group), cell)

    @cached_property
    def leaders(self) -> tuple[str, ...]:
        """The cells that have choices of their own, in their order."""
        return tuple(cell for cell in self.cells if self.leader(cell) == cell)

    def searched_widths(self, leader: str) -> dict[str, tuple[float, ...]]:
        """Return the widths of each cell that takes the choices of a cell, itself included, and
        has a choice of its width."""
        return {
            name: graph.widths
            for name, graph in self.cells.items()
            if self.leader(name) == leader and len(graph.widths) > 1
        }

    def candidates(self, cell: str) -> tuple[tuple[int, ...], ...]:
        """Return the columns allowed on each edge of a cell."""
        column = {name: at for at, name in enumerate(self.operations)}
        return tuple(
            tuple(column[name] for name in edge.operations) for edge in self.cells[cell].edges
        )


def check_may_omit(space: SearchSpace, genotype: Genotype, cell: str) -> None:
    """Raise :class:`SpecError` unless a genotype may lack a cell of the space: one that has 0 among
    its widths."""
    if 0 not in space.cells[cell].widths:
        raise SpecError(f"genotype {genotype.name!r}: cell {cell!r} of {space.name} is missing")


def expand(document: SpaceDocument, parameters: Mapping[str, ParameterValue]) -> SearchSpace:
    """Return the explicit space of a document whose parameters have been filled in.

    Raises:
        SpecError: naming the place in the document and what would be accepted.
    """
    check_title("name", document.name)
    for at, name in enumerate(document.operations):
        check_operation(f"operations.{at}", name)
    if not document.operations or not document.cells:
        raise SpecError("operations, cells: a space needs at least one of each")
    if document.partial_channels < 1:
        raise SpecError(f"partial_channels: {document.partial_channels} is not 1 or more")
    cells = {}
    for name, cell in document.cells.items():
        check_name(f"cells.{name}", name)
        try:
            expanded = _expand_cell(cell, document)
        except SpecError as error:
            raise SpecError(f"cells.{name}.{error}") from None
        if expanded is not None:
            cells[name] = expanded
    if not cells:
        raise SpecError(f"levels: {document.levels}: no cell is left there")
    if all(0 in graph.widths for graph in cells.values()):
        raise SpecError("cells: width 0 may leave out each of them; expected one that always stays")
    operations = dict.fromkeys(document.operations)
    for graph in cells.values():
        operations.update(dict.fromkeys(op for edge in graph.edges for op in edge.operations))
    return SearchSpace(
        name=document.name,
        cells=cells,
        operations=tuple(operations),
        partial_channels=document.partial_channels,
        edge_normalisation=document.edge_normalisation,
        parameters=dict(parameters),
        tied=_tied(document, cells),
    )


def document_of(space: SearchSpace) -> SpaceDocument:
    """Return a document that expands to a space, everything in it explicit; its parameters have the
    one value that they had."""
    cells = {
        name: CellDocument(
            graph.inputs,
            graph.output,
            tuple(
                NodeDocument(
                    node.name,
                    node.level,
                    tuple(EdgeDocument(e.source, e.operations, e.transform) for e in node.edges),
                    node.combine,
                    node.keep,
                )
                for node in graph.nodes
            ),
            width=graph.width,
        )
        for name, graph in space.cells.items()
    }
    return SpaceDocument(
        format=1,
        name=space.name,
        operations=space.operations,
        cells=cells,
        parameters={name: Parameter(each, (each,)) for name, each in space.parameters.items()},
        partial_channels=space.partial_channels,
        edge_normalisation=space.edge_normalisation,
        groupings={"these": space.tied} if space.tied else {},
        tied="these" if space.tied else None,
    )


def _tied(document: SpaceDocument, cells: Mapping[str, CellGraph]) -> tuple[tuple[str, ...], ...]:
    if document.tied is None:
        return ()
    if document.tied not in document.groupings:
        raise SpecError(
            f"tied: {document.tied!r} is none of groupings; expected "
            f"{', '.join(document.groupings) or 'none'}"
        )
    place = f"groupings.{document.tied}"
    groups = document.groupings[document.tied]
    named = [name for group in groups for name in group]
    unknown = [name for name in named if name not in document.cells]
    if unknown or len(set(named)) < len(named):
        raise SpecError(f"{place}: {named}, expected different ones of {', '.join(document.cells)}")
    present = (tuple(name for name in group if name in cells) for group in groups)
    found = tuple(group for group in present if len(group) > 1)
    check_tied(place, found, cells)
    return found


def _expand_cell(cell: CellDocument, document: SpaceDocument) -> CellGraph | None:
    """Return the cell with everything explicit; None where nothing of it is at the space's
    levels."""
    operations = document.operations
    if (cell.nodes is None) == (cell.dense is None):
        raise SpecError("nodes, dense: give one of the two")
    if cell.dense is not None:
        nodes = _dense_nodes(cell.inputs, cell.dense, document)
    else:
        nodes = tuple(
            Node(
                name=node.name,
                level=node.level,
                edges=tuple(
                    Edge(
                        e.source,
                        operations if e.operations is None else e.operations,
                        e.transform,
                    )
                    for e in node.edges
                ),
                combine=_rules(node.combine, document),
                keep=node.keep,
            )
            for node in cell.nodes or ()
        )
    inputs = cell.inputs
    if document.levels is not None:
        inputs, nodes = at_levels(inputs, nodes, read_levels(document.levels))
    if not inputs or not nodes:
        return None
    width = document.widths if isinstance(cell.width, str) else cell.width
    return CellGraph(inputs, tuple(map(_with_settled_rule, nodes)), cell.output, width)


def _digest_content(cell: CellGraph) -> dict[str, object]:
    """Return what a digest covers: a width of 1 is left out, as cells had none of their own
    once."""
    values = asdict(cell)
    if cell.widths == (1.0,):
        del values["width"]
    return values


def _rules(combine: Combine, document: SpaceDocument) -> Combine:
    return document.combine_rules if combine == ANY else combine


def _with_settled_rule(node: Node) -> Node:
    """Return the node without a choice of its rule where that decides nothing."""
    if isinstance(node.combine, str) or (node.kept > 1 and len(node.combine) > 1):
        return node
    return replace(node, combine=node.combine[0]) if node.combine else node


def _dense_nodes(
    inputs: tuple[Input, ...], dense: DenseDocument, document: SpaceDocument
) -> tuple[Node, ...]:
    if not inputs:
        raise SpecError("inputs: a dense cell needs at least one")
    if not 1 <= dense.nodes <= MAX_NODES:
        raise SpecError(f"dense.nodes: {dense.nodes} is not between 1 and {MAX_NODES}")
    candidates = document.operations if dense.operations is None else dense.operations
    combine = _rules(dense.combine, document)
    level = inputs[0].level + LEVEL_STEP[dense.input_transform]
    nodes: list[Node] = []
    for _ in range(dense.nodes):
        edges = [Edge(each.name, candidates, dense.input_transform) for each in inputs]
        edges += [Edge(node.name, candidates) for node in nodes]
        keep = dense.keep if dense.keep == "all" else min(dense.keep, len(edges))
        nodes.append(Node(f"n{len(nodes) + 1}", level, tuple(edges), combine, keep))
    return tuple(nodes)

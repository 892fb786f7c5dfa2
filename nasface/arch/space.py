"""A search space: the cells to search, as a document with parameters and in its expanded form.

The document is what a YAML file holds. It may describe a cell node by node or as a *dense* block
(each node takes an edge from every input and every earlier node), and it may name parameters such
as the number of nodes, written ``$nodes`` where they are used. :func:`expand` turns it into a
:class:`SearchSpace`, in which everything is explicit.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

from nasface.arch.graph import (
    LEVEL_STEP,
    CellGraph,
    Edge,
    Input,
    Node,
    Output,
    Transform,
    check_name,
    check_operation,
    check_title,
)
from nasface.errors import SpecError

ParameterValue: TypeAlias = bool | int | str
"""What a parameter of a space may be set to."""

MOST_NODES = 64
"""Nodes of a dense block: their edges grow with the square."""


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
    combine: str = "sum"
    keep: int | Literal["all"] = "all"


@dataclass(frozen=True)
class DenseDocument:
    """``nodes`` nodes, named n1, n2, ...: each takes an edge from all inputs and earlier nodes.

    ``input_transform`` applies to the edges that come from inputs (``stride`` in a reduction cell).
    """

    nodes: int
    keep: int | Literal["all"] = 1
    combine: str = "sum"
    input_transform: Transform = "none"
    operations: tuple[str, ...] | None = None


@dataclass(frozen=True)
class CellDocument:
    """A cell: its inputs, then either ``nodes`` or ``dense``."""

    inputs: tuple[Input, ...]
    output: Output
    nodes: tuple[NodeDocument, ...] | None = None
    dense: DenseDocument | None = None


@dataclass(frozen=True)
class SpaceDocument:
    """A search-space file.

    ``partial_channels`` is K of PC-DARTS: on an edge with several candidates the first 1/K of the
    channels passes through the operations, the rest goes round them. ``edge_normalisation`` adds
    one architecture parameter per edge, normalised over the edges into a node.
    """

    format: Literal[1]
    name: str
    operations: tuple[str, ...]
    cells: Mapping[str, CellDocument]
    description: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    partial_channels: int = 1
    edge_normalisation: bool = False


@dataclass(frozen=True)
class SearchSpace:
    """A search space with everything explicit.

    ``operations`` is the order of the columns of all architecture parameters: the candidates of the
    space first, then operations that only fixed or specially listed edges use.
    """

    name: str
    cells: Mapping[str, CellGraph]
    operations: tuple[str, ...]
    partial_channels: int
    edge_normalisation: bool
    parameters: Mapping[str, ParameterValue]

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with anything that a genotype depends on."""
        text = json.dumps(
            {"operations": self.operations, "cells": {k: asdict(v) for k, v in self.cells.items()}}
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def candidates(self, cell: str) -> tuple[tuple[int, ...], ...]:
        """The columns allowed on each edge of a cell."""
        column = {name: at for at, name in enumerate(self.operations)}
        return tuple(
            tuple(column[name] for name in edge.operations) for edge in self.cells[cell].edges
        )


def expand(document: SpaceDocument, parameters: Mapping[str, ParameterValue]) -> SearchSpace:
    """The explicit space of a document whose parameters have been filled in.

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
            cells[name] = _expand_cell(cell, document.operations)
        except SpecError as error:
            raise SpecError(f"cells.{name}.{error}") from None
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
    )


def _expand_cell(cell: CellDocument, operations: tuple[str, ...]) -> CellGraph:
    if (cell.nodes is None) == (cell.dense is None):
        raise SpecError("nodes, dense: give one of the two")
    if cell.dense is not None:
        nodes = _dense_nodes(cell.inputs, cell.dense, operations)
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
                combine=node.combine,
                keep=node.keep,
            )
            for node in cell.nodes or ()
        )
    return CellGraph(cell.inputs, nodes, cell.output)


def _dense_nodes(
    inputs: tuple[Input, ...], dense: DenseDocument, operations: tuple[str, ...]
) -> tuple[Node, ...]:
    if not inputs:
        raise SpecError("inputs: a dense cell needs at least one")
    if not 1 <= dense.nodes <= MOST_NODES:
        raise SpecError(f"dense.nodes: {dense.nodes} is not between 1 and {MOST_NODES}")
    candidates = operations if dense.operations is None else dense.operations
    level = inputs[0].level + LEVEL_STEP[dense.input_transform]
    nodes: list[Node] = []
    for _ in range(dense.nodes):
        edges = [Edge(each.name, candidates, dense.input_transform) for each in inputs]
        edges += [Edge(node.name, candidates) for node in nodes]
        keep = dense.keep if dense.keep == "all" else min(dense.keep, len(edges))
        nodes.append(Node(f"n{len(nodes) + 1}", level, tuple(edges), dense.combine, keep))
    return tuple(nodes)

"""A genotype: the cells that a search derived, as pure data.

It holds all that a builder needs (levels, transforms, combine rules, outputs), so that a cell can
be built without the space or the engine that found it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from nasface.arch.combine import COMBINE_RULES
from nasface.arch.graph import (
    CellGraph,
    Edge,
    Input,
    Node,
    Output,
    Projection,
    Transform,
    width_name,
)
from nasface.arch.names import check_name, check_title
from nasface.errors import MissingPackageError, SpecError, check_kind
from nasface.io.yaml import write_yaml

if TYPE_CHECKING:
    import networkx as nx

    import nasface

GENOTYPE_FORMAT: Literal[1] = 1


@dataclass(frozen=True)
class EdgeGene:
    """A connection that was kept, with its one operation."""

    source: str
    operation: str
    transform: Transform = "none"


@dataclass(frozen=True)
class NodeGene:
    """A node and its kept connections, in the order of the space."""

    name: str
    level: int
    combine: str
    edges: tuple[EdgeGene, ...]


@dataclass(frozen=True)
class OutputGene:
    """The nodes concatenated into the output of a level."""

    level: int
    sources: tuple[str, ...]


@dataclass(frozen=True)
class CellGene:
    """A derived cell whose invariants hold: checked when it is made.

    ``width``: the channels of its nodes as a share of those of the maps around it, above 0 to 1.

    Raises:
        SpecError: naming the node, edge or output and what would be accepted.
    """

    inputs: tuple[Input, ...]
    nodes: tuple[NodeGene, ...]
    outputs: tuple[OutputGene, ...]
    projection: Projection
    residual: bool
    width: Annotated[float, Field(exclude_if=lambda width: width == 1)] = 1.0
    """Not in the text where it is 1, which older releases read."""

    def __post_init__(self) -> None:
        graph = self._as_graph()
        if tuple(output.level for output in self.outputs) != graph.output_levels:
            raise SpecError(
                f"outputs: levels are {[output.level for output in self.outputs]}, "
                f"expected those of the nodes, {list(graph.output_levels)}"
            )
        for at, output in enumerate(self.outputs):
            here = [node.name for node in self.nodes if node.level == output.level]
            sources = output.sources
            if not sources or len(set(sources)) != len(sources) or not set(sources) <= set(here):
                raise SpecError(
                    f"outputs.{at}.sources: {list(sources)} are not distinct nodes of level "
                    f"{output.level}; expected some of {', '.join(here)}"
                )

    def __str__(self) -> str:
        """Return a line for each node, such as ``n2 = sep_3x3(n1) + skip(x)``."""
        lines = [f"{node.name} = {_joined(node)}" for node in self.nodes]
        lines += [f"output {each.level} = [{', '.join(each.sources)}]" for each in self.outputs]
        lines += [f"width {width_name(self.width)}"] if self.width != 1 else []
        return "\n".join(lines)

    def to_networkx(self) -> "nx.MultiDiGraph[str]":
        """Return the cell as a networkx graph; :mod:`nasface.arch.networkx_graph` describes it."""
        from nasface.arch.networkx_graph import graph_of_cell

        return graph_of_cell(self)

    def _as_graph(self) -> CellGraph:
        """Return the cell as a graph of fixed edges, which checks names, sources, levels and
        operations."""
        for at, node in enumerate(self.nodes):
            if any(edge.operation == "none" for edge in node.edges):
                raise SpecError(f"nodes.{at} ({node.name}).edges: none is never part of a genotype")
        return CellGraph(
            self.inputs,
            tuple(
                Node(
                    node.name,
                    node.level,
                    tuple(Edge(e.source, (e.operation,), e.transform) for e in node.edges),
                    node.combine,
                )
                for node in self.nodes
            ),
            Output("cat-all", self.projection, self.residual),
            self.width,
        )


def _joined(node: NodeGene) -> str:
    """Return the sources of a node as text, such as ``sep_3x3(n1) + skip(x)``."""
    marks = {"none": "", "up2": " up 2", "down2": " down 2", "stride": " stride 2"}
    terms = [f"{edge.operation}({edge.source}{marks[edge.transform]})" for edge in node.edges]
    sign = COMBINE_RULES[node.combine].sign
    if sign:
        return f" {sign} ".join(terms)
    return f"{node.combine}({', '.join(terms)})"


@dataclass(frozen=True)
class SpaceReference:
    """The space that a genotype was derived from: its name, digest and parameters."""

    name: str
    digest: str
    parameters: Mapping[str, bool | int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_title("space.name", self.name)

    def __hash__(self) -> int:
        return hash((self.name, self.digest, frozenset(self.parameters.items())))


@dataclass(frozen=True)
class Provenance:
    """Origin of a genotype. ``note`` is free text, for hand-made genotypes above all."""

    nasface: str = ""
    seed: int | None = None
    step: int | None = None
    policy: str = ""
    config: str = ""
    note: str = ""


@dataclass(frozen=True, repr=False)
class Genotype:
    """Named cells, in the order in which features pass through them.

    A cell that its space may leave out is not there where the search has left it out.
    """

    format: Literal[1]
    name: str
    space: SpaceReference
    cells: Mapping[str, CellGene]
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        check_title("name", self.name)
        check_kind("cells", self.cells, Mapping, "a map from names to cells", SpecError)
        if not self.cells:
            raise SpecError("cells: a genotype needs at least one")
        for name in self.cells:
            check_name(f"cells.{name}", name)

    def __hash__(self) -> int:  # of a map the order does not count, as it does not for ==
        return hash((self.name, self.space, frozenset(self.cells.items()), self.provenance))

    def __repr__(self) -> str:
        cells = ", ".join(f"{name} ({len(cell.nodes)} nodes)" for name, cell in self.cells.items())
        return f"<Genotype {self.name} of space {self.space.name}: {cells}>"

    def __str__(self) -> str:
        """Return the name, then each cell with a line for each node."""
        parts = [f"{self.name}, of space {self.space.name}"]
        for name, cell in self.cells.items():
            parts += [f"{name}:", *(f"  {line}" for line in str(cell).splitlines())]
        return "\n".join(parts)

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write it as YAML, which :func:`nasface.load_genotype` reads.

        Raises:
            SpecError: for another suffix than ``.yaml`` or ``.yml``, or if a file is there and not
                to be replaced.
            OutputError: if it cannot be written.
        """
        return write_yaml(path, self, SpecError, overwrite=overwrite)

    def draw(self, path: Path | str | None = None) -> "nasface.Drawing":
        """Draw it as :func:`nasface.draw` does, into a file if a path is given.

        Raises:
            ConfigError: for a suffix other than svg, png, pdf and dot.
            MissingPackageError: naming the extra ``plots`` where it is missing.
        """
        import nasface  # its functions are public: this room knows no other way to a drawing

        return nasface.draw(self, path)

    def _repr_svg_(self) -> str | None:
        """Return the picture in a notebook, where the packages of the extra ``plots`` are there."""
        try:
            return self.draw().svg
        except MissingPackageError:
            return None

    def to_networkx(self) -> "nx.MultiDiGraph[str]":
        """Return the cells beside each other as one graph of networkx, vertices named
        ``CELL.NODE``.

        :mod:`nasface.arch.networkx_graph` describes its attributes; ``cells[name].to_networkx()``
        is the graph of one cell.
        """
        from nasface.arch.networkx_graph import graph_of_genotype

        return graph_of_genotype(self)


def check_derivable(graph: CellGraph, gene: CellGene) -> None:
    """Raise :class:`SpecError` unless the gene could have been derived from the graph."""
    if gene.inputs != graph.inputs:
        raise SpecError(f"inputs: expected {', '.join(each.name for each in graph.inputs)}")
    if [node.name for node in gene.nodes] != [node.name for node in graph.nodes]:
        raise SpecError(f"nodes: expected {', '.join(node.name for node in graph.nodes)}")
    for node, found in zip(graph.nodes, gene.nodes, strict=True):
        if found.level != node.level or found.combine not in node.rules:
            raise SpecError(
                f"nodes.{node.name}: expected {' or '.join(node.rules)} at level {node.level}"
            )
    used = frozenset(at for edges in edges_of(graph, gene) for at in edges)
    expected = {
        level: {graph.nodes[at].name for at in sources}
        for level, sources in graph.sources_of_outputs(used).items()
    }
    if {output.level: set(output.sources) for output in gene.outputs} != expected:
        raise SpecError(f"outputs: expected {graph.output.rule} of the nodes, {expected}")
    if (gene.projection, gene.residual) != (graph.output.projection, graph.output.residual):
        raise SpecError(f"projection, residual: expected those of the space, {graph.output}")
    check_width(graph, gene)


def check_width(graph: CellGraph, gene: CellGene) -> None:
    """Raise :class:`SpecError` unless the width of a gene is one of the graph's."""
    if gene.width not in graph.widths:
        wanted = " or ".join(map(width_name, filter(None, graph.widths)))
        raise SpecError(f"width: {width_name(gene.width)} is no candidate; expected {wanted}")


def edges_of(graph: CellGraph, gene: CellGene) -> tuple[tuple[int, ...], ...]:
    """Return, for each node of a graph, the indices of the edges that the gene keeps, in its order.

    Raises:
        SpecError: naming the node, if the gene keeps an edge or operation that the graph does not
            offer, or another number of edges.
    """
    genes = {node.name: node.edges for node in gene.nodes}
    found = []
    for node, edges in zip(graph.nodes, graph.edges_into, strict=True):
        used: list[int] = []
        for wanted in genes.get(node.name, ()):
            free = (at for at in edges if at not in used and _carries(graph.edges[at], wanted))
            at = next(free, None)
            if at is None:
                raise SpecError(
                    f"nodes.{node.name}: {wanted.operation} from {wanted.source} is no candidate "
                    "of the space, or is there twice"
                )
            used.append(at)
        if len(used) != node.kept:
            raise SpecError(f"nodes.{node.name}.edges: expected {node.kept}")
        found.append(tuple(used))
    return tuple(found)


def _carries(edge: Edge, gene: EdgeGene) -> bool:
    return (edge.source, edge.transform) == (gene.source, gene.transform) and (
        gene.operation in edge.operations
    )


def repeat(genotype: Genotype, times: int) -> Genotype:
    """Return the cells ``times`` over, one round behind the other; ``name`` becomes ``name_2``, ...

    Raises:
        SpecError: if a cell has such a name already.
    """
    cells = dict(genotype.cells)
    for round_ in range(2, times + 1):
        for name, cell in genotype.cells.items():
            again = f"{name}_{round_}"
            if again in cells:
                raise SpecError(
                    f"genotype {genotype.name!r}: cell {name!r} cannot be repeated, another is "
                    f"named {again!r}"
                )
            cells[again] = cell
    return replace(genotype, cells=cells)


def cascade(first: Genotype, second: Genotype) -> Genotype:
    """Return the cells of ``first`` followed by those of ``second``; name, space and provenance of
    the latter.

    Raises:
        SpecError: if both have a cell of the same name.
    """
    shared = first.cells.keys() & second.cells.keys()
    if shared:
        raise SpecError(
            f"genotypes {first.name!r} and {second.name!r} cannot be cascaded: both have a cell "
            f"named {sorted(shared)[0]!r}"
        )
    return Genotype(
        second.format,
        second.name,
        second.space,
        {**first.cells, **second.cells},
        second.provenance,
    )

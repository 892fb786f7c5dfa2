"""Genotypes in the form of DARTS, which PC-DARTS and many others print and share.

``Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), reduce=..., ...)``: two
(operation, source) pairs per node, where sources 0 and 1 are the outputs of the cell before the
last and of the last cell, 2 the first node. Other forms of the pairs are read as well:

- grouped per node, as GDAS and pt.darts write them: ``[[('skip_connect', 0), ...], ...]``;
- with a value behind them, which is ignored: ``('skip_connect', 0, 0.13)``;
- with the node that they lead into: ``('skip_connect', 0, 2)`` of NAT and aw_nas, or
  ``('skip_connect', 2, 0)`` of FairDARTS, told apart by a source being before its node.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

from nasface.arch.genotype import (
    GENOTYPE_FORMAT,
    CellGene,
    EdgeGene,
    Genotype,
    NodeGene,
    OutputGene,
    Provenance,
    SpaceReference,
    check_derivable,
)
from nasface.arch.graph import Input
from nasface.arch.io import load_search_space
from nasface.arch.literals import elements, read_literal, shown
from nasface.errors import SpecError, one_of

DARTS_OPERATIONS: Mapping[str, str] = MappingProxyType(
    {
        "max_pool_3x3": "max_pool_3x3",
        "avg_pool_3x3": "avg_pool_3x3",
        "skip_connect": "skip",
        "sep_conv_3x3": "sep_3x3_twice",
        "sep_conv_5x5": "sep_5x5_twice",
        "sep_conv_7x7": "sep_7x7_twice",
        "dil_conv_3x3": "dil_3x3_r2",
        "dil_conv_5x5": "dil_5x5_r2",
        "conv_7x1_1x7": "dense_1x7_7x1",
    }
)
"""Name in DARTS -> name here."""
FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
"""The fields of DARTS' ``Genotype``, in their order."""
_INPUTS = (Input("c0", 0), Input("c1", 0))
_MAX_NODES = 100

DartsPair = tuple[str, int]
"""Operation in DARTS' words and source."""


def read_darts_fields(fields: Mapping[str, ast.expr]) -> tuple[dict[str, CellGene], list[str]]:
    """Return the two cells in the fields of a ``Genotype``, and notes on what was ignored.

    Raises:
        SpecError: naming the field and what would be accepted.
    """
    missing = [name for name in FIELDS if name not in fields]
    if missing:
        raise SpecError(f"fields are {', '.join(fields)}; expected {', '.join(FIELDS)}")
    notes = []
    beyond = [name for name in fields if name not in FIELDS]
    if beyond:
        notes.append(f"ignored the fields {', '.join(beyond)}")
    cells = {}
    for cell in ("normal", "reduce"):
        nodes, ignored = _read_nodes(cell, fields[cell])
        if ignored:
            notes.append(f"{cell}: ignored what is behind operation and source, such as {ignored}")
        cells[cell] = darts_cell(cell, nodes, _read_concat(cell, fields))
    return cells, notes


def darts_cell(name: str, nodes: Sequence[Sequence[DartsPair]], concat: Sequence[int]) -> CellGene:
    """Return the normal or reduction cell of pairs per node.

    Raises:
        SpecError: naming the pair or the field and what would be accepted.
    """
    level = 0 if name == "normal" else 1
    sources = ["c0", "c1", *(f"n{at + 1}" for at in range(len(nodes)))]
    genes = []
    for at, pairs in enumerate(nodes):
        for operation, source in pairs:
            if operation not in DARTS_OPERATIONS:
                raise SpecError(
                    f"{name}: unknown operation {operation!r}; expected "
                    f"{one_of(operation, DARTS_OPERATIONS)}"
                )
            if not 0 <= source < at + 2:
                raise SpecError(
                    f"{name}: ({operation!r}, {source}) leads into node {at + 2}; expected a "
                    f"source from 0 to {at + 1}"
                )
        edges = tuple(
            EdgeGene(
                sources[source],
                DARTS_OPERATIONS[operation],
                "stride" if level and source < len(_INPUTS) else "none",
            )
            for operation, source in pairs
        )
        genes.append(NodeGene(sources[at + 2], level, "sum", edges))
    if not concat or not all(2 <= at < len(sources) for at in concat):
        raise SpecError(
            f"{name}_concat: {list(concat)}, expected nodes from 2 to {len(sources) - 1}"
        )
    output = OutputGene(level, tuple(sources[at] for at in concat))
    return CellGene(_INPUTS, tuple(genes), (output,), "none", False)


def darts_genotype(name: str, cells: Mapping[str, CellGene], origin: str) -> Genotype:
    """Return the genotype of two cells, in the packaged space if that could have given them."""
    return Genotype(
        GENOTYPE_FORMAT, name, _space(cells), cells, Provenance(note=f"Imported from {origin}.")
    )


def write_darts_text(genotype: Genotype) -> str:
    """Return the genotype as DARTS prints it, on one line without a name.

    Raises:
        SpecError: if that form cannot express it.
    """
    if set(genotype.cells) != {"normal", "reduce"}:
        raise SpecError(
            f"genotype {genotype.name!r}: cells are {', '.join(genotype.cells)}; the DARTS form "
            "has normal and reduce"
        )
    parts = []
    for cell in ("normal", "reduce"):
        try:
            pairs, concat = _pairs(genotype.cells[cell], cell)
        except SpecError as error:
            raise SpecError(f"genotype {genotype.name!r}: cells.{cell}: {error}") from None
        whole = concat == list(range(concat[0], concat[-1] + 1))
        text = f"range({concat[0]}, {concat[-1] + 1})" if whole else str(concat)
        parts += [f"{cell}={pairs}", f"{cell}_concat={text}"]
    return f"Genotype({', '.join(parts)})"


def _space(cells: Mapping[str, CellGene]) -> SpaceReference:
    """Return the packaged space if these cells could have been derived from it."""
    try:
        space = load_search_space("darts", {"nodes": max(len(c.nodes) for c in cells.values())})
        for name, cell in cells.items():
            check_derivable(space.cells[name], cell)
    except SpecError:
        return SpaceReference("hand-made", "")
    return SpaceReference(space.name, space.digest, dict(space.parameters))


@dataclass(frozen=True)
class _Written:
    """An operation and the values after it: a source, then perhaps more."""

    operation: str
    number: int
    second: int | None
    """The number behind ``number``, if there is that and no more."""
    beyond: str
    """All values after ``number``, for a message."""


def _read_nodes(field: str, value: ast.expr) -> tuple[list[list[DartsPair]], str]:
    """Return the pairs of each node, and an example of what was ignored."""
    groups = [elements(each) for each in elements(value)]
    grouped = bool(groups) and all(g and isinstance(g[0], ast.List | ast.Tuple) for g in groups)
    parts = [elements(pair) for group in groups for pair in group] if grouped else groups
    written = [_read_pair(field, each) for each in parts]
    if len(written) > 2 * _MAX_NODES:
        raise SpecError(f"{field}: {len(written)} pairs; expected at most {2 * _MAX_NODES}")
    sizes = [len(group) for group in groups] if grouped else [2] * (len(written) // 2)
    if written and all(each.second is not None for each in written):
        nodes = _by_node(field, written)
        if grouped and [len(node) for node in nodes] != sizes:
            raise SpecError(f"{field}: a group has edges into several nodes; expected one per node")
        return nodes, ""
    if not written or sum(sizes) != len(written):
        raise SpecError(f"{field}: {len(written)} pairs; expected a list with two per node")
    rest = iter(written)
    nodes = [[(pair.operation, pair.number) for pair in islice(rest, size)] for size in sizes]
    return nodes, next((each.beyond for each in written if each.beyond), "")


def _read_pair(field: str, parts: Sequence[ast.expr]) -> _Written:
    expected = SpecError(f"{field}: expected pairs such as ('sep_conv_3x3', 1)")
    if len(parts) < 2:
        raise expected
    try:
        operation, number = read_literal(parts[0]), read_literal(parts[1])
    except ValueError as problem:
        raise SpecError(f"{expected}, got {problem}") from None
    if not isinstance(operation, str) or type(number) is not int:
        raise expected
    return _Written(
        operation, number, _number(parts[2:]), ", ".join(shown(each) for each in parts[2:])
    )


def _number(parts: Sequence[ast.expr]) -> int | None:
    """Return the only whole number among the values after a pair."""
    try:
        values = [read_literal(each) for each in parts[:2]]
    except ValueError:
        return None
    return values[0] if len(values) == 1 and type(values[0]) is int else None


def _by_node(field: str, written: Sequence[_Written]) -> list[list[DartsPair]]:
    """Return the pairs of each node from edges that name both of their ends, in any order."""
    ends = [(each.number, each.second or 0) for each in written]
    if all(second < first for first, second in ends):
        ends = [(second, first) for first, second in ends]
    elif not all(first < second for first, second in ends):
        raise SpecError(
            f"{field}: expected a source before its node in every edge: (operation, source, node) "
            "throughout, or (operation, node, source) throughout"
        )
    last = max(node for _, node in ends)
    nodes: list[list[DartsPair]] = [[] for _ in range(min(last, _MAX_NODES) - 1)]
    for each, (source, node) in zip(written, ends, strict=True):
        if not 2 <= node < len(nodes) + 2:
            raise SpecError(f"{field}: an edge leads into {node}; nodes are numbered from 2")
        nodes[node - 2].append((each.operation, source))
    if not all(nodes):
        raise SpecError(
            f"{field}: node {nodes.index([]) + 2} of {last} has no edge; expected one or more for "
            "every node"
        )
    return nodes


def _read_concat(cell: str, fields: Mapping[str, ast.expr]) -> list[int]:
    field = f"{cell}_concat"
    try:
        value = read_literal(fields[field])
    except ValueError:
        value = None
    numbers = value if isinstance(value, list) else []
    known = [each for each in numbers if type(each) is int and 0 <= each < _MAX_NODES + 2]
    if not known or len(known) < len(numbers):
        raise SpecError(f"{field}: expected range(2, 6) or a list such as [2, 3, 4, 5]")
    return known


def _pairs(gene: CellGene, name: str) -> tuple[list[DartsPair], list[int]]:
    """Return the pairs and concatenated nodes of a cell."""
    backwards = {here: there for there, here in DARTS_OPERATIONS.items()}
    names = [*(each.name for each in gene.inputs), *(node.name for node in gene.nodes)]
    index = {each: at for at, each in enumerate(names)}
    level = 0 if name == "normal" else 1
    plain = (
        [each.level for each in gene.inputs] == [0, 0]
        and {node.level for node in gene.nodes} == {level}
        and gene.projection == "none"
        and not gene.residual
    )
    if not plain:
        raise SpecError(
            f"expected two inputs at level 0, nodes at level {level}, and a concatenation as output"
        )
    pairs: list[DartsPair] = []
    for node in gene.nodes:
        if len(node.edges) != 2 or node.combine != "sum":
            raise SpecError(f"node {node.name!r}: expected the sum of two edges")
        for edge in node.edges:
            if edge.operation not in backwards:
                raise SpecError(
                    f"node {node.name!r}: DARTS has no {edge.operation!r}; expected one of "
                    f"{', '.join(backwards)}"
                )
            pairs.append((backwards[edge.operation], index[edge.source]))
    return pairs, [index[source] for source in gene.outputs[0].sources]

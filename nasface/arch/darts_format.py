"""Genotypes in the text form of DARTS, which PC-DARTS and many others print and share.

``Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), reduce=..., ...)``: two
(operation, source) pairs per node, where sources 0 and 1 are the outputs of the cell before the
last and of the last cell, 2 the first node. The text is parsed as data and never evaluated.
"""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar

from nasface.arch.genotype import (
    FORMAT,
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
from nasface.errors import SpecError

#: name in DARTS -> name here
OPERATIONS: Mapping[str, str] = MappingProxyType(
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
_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_INPUTS = (Input("c0", 0), Input("c1", 0))
_START = re.compile(r"\bGenotype\(")
_ASSIGNED = re.compile(r"\b(\w+)\s*=\s*\Z")
_LONGEST = 20_000
_LONGEST_NAME = 100
_MOST_NODES = 100

Pairs = list[tuple[str, int]]


def read_darts_text(text: str, place: str) -> dict[str, Genotype]:
    """The genotypes in a text, such as DARTS' ``genotypes.py`` or the log of a search.

    A name is that of the variable assigned to, or ``genotype`` without one; of several with one
    name (one per epoch in a log) the last counts.

    Raises:
        SpecError: naming ``place``, the line and what would be accepted; also if there is none.
    """
    found = {}
    for name, line, call in _calls(text, place):
        try:
            found[name] = _genotype(name, call)
        except SpecError as error:
            raise SpecError(f"{place}: line {line}: {error}") from None
    if not found:
        raise SpecError(f"{place}: holds no genotype; expected Genotype(normal=[...], ...)")
    return found


def write_darts_text(genotype: Genotype) -> str:
    """The genotype as DARTS prints it, on one line without a name.

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
        shown = f"range({concat[0]}, {concat[-1] + 1})" if whole else str(concat)
        parts += [f"{cell}={pairs}", f"{cell}_concat={shown}"]
    return f"Genotype({', '.join(parts)})"


def _calls(text: str, place: str) -> Iterator[tuple[str, int, ast.Call]]:
    """Name, line and syntax tree of every ``Genotype(...)``."""
    end, line = 0, 1
    for match in _START.finditer(text):
        if match.start() < end:
            continue
        line += text.count("\n", end, match.start())
        name = _ASSIGNED.search(text, max(end, match.start() - _LONGEST_NAME), match.start())
        end = _closing(text, match.end())
        tree = _parsed("Genotype(" + text[match.end() : end])
        if not isinstance(tree, ast.Call):
            raise SpecError(f"{place}: line {line}: Genotype(...) is not complete or not readable")
        yield name[1] if name else "genotype", line, tree
        line += text.count("\n", match.start(), end)


def _parsed(source: str) -> ast.expr | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on how to write literals
            return ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _closing(text: str, start: int) -> int:
    """The position after the parenthesis that closes the one before ``start``."""
    depth = 1
    for at in range(start, min(len(text), start + _LONGEST)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at + 1
    return start


def _genotype(name: str, call: ast.Call) -> Genotype:
    values: dict[str, ast.expr] = dict(zip(_FIELDS, call.args, strict=False))
    values |= {keyword.arg or "**": keyword.value for keyword in call.keywords}
    if set(values) != set(_FIELDS) or len(call.args) + len(call.keywords) != len(_FIELDS):
        raise SpecError(f"fields are {', '.join(values)}; expected {', '.join(_FIELDS)}")
    cells = {
        cell: _cell(cell, _read_pairs(cell, values[cell]), _read_concat(cell, values))
        for cell in ("normal", "reduce")
    }
    note = "Imported from DARTS text."
    return Genotype(FORMAT, name, _space(cells), cells, Provenance(note=note))


def _cell(name: str, pairs: Pairs, concat: list[int]) -> CellGene:
    level = 0 if name == "normal" else 1
    sources = ["c0", "c1", *(f"n{at + 1}" for at in range(len(pairs) // 2))]
    nodes = []
    for at in range(len(pairs) // 2):
        for operation, source in pairs[2 * at : 2 * at + 2]:
            if not 0 <= source < at + 2:
                raise SpecError(
                    f"{name}: ({operation!r}, {source}) leads into node {at + 2}; expected a "
                    f"source from 0 to {at + 1}"
                )
        edges = tuple(
            EdgeGene(
                sources[source],
                OPERATIONS[operation],
                "stride" if level and source < len(_INPUTS) else "none",
            )
            for operation, source in pairs[2 * at : 2 * at + 2]
        )
        nodes.append(NodeGene(sources[at + 2], level, "sum", edges))
    if not all(2 <= at < len(sources) for at in concat):
        raise SpecError(f"{name}_concat: {concat}, expected nodes from 2 to {len(sources) - 1}")
    output = OutputGene(level, tuple(sources[at] for at in concat))
    return CellGene(_INPUTS, tuple(nodes), (output,), "none", False)


def _space(cells: Mapping[str, CellGene]) -> SpaceReference:
    """The packaged space if these cells could have been derived from it."""
    try:
        space = load_search_space("darts", {"nodes": max(len(c.nodes) for c in cells.values())})
        for name, cell in cells.items():
            check_derivable(space.cells[name], cell)
    except SpecError:
        return SpaceReference("hand-made", "")
    return SpaceReference(space.name, space.digest, dict(space.parameters))


def _read_pairs(field: str, value: ast.expr) -> Pairs:
    pairs = []
    for entry in _elements(value):
        parts = _elements(entry)
        name = _constant(parts[0], str) if len(parts) == 2 else None
        index = _constant(parts[1], int) if len(parts) == 2 else None
        if name is None or index is None:
            raise SpecError(f"{field}: expected pairs such as ('sep_conv_3x3', 1)")
        if name not in OPERATIONS:
            raise SpecError(
                f"{field}: unknown operation {name!r}; expected one of {', '.join(OPERATIONS)}"
            )
        pairs.append((name, index))
    if not pairs or len(pairs) % 2 or len(pairs) > 2 * _MOST_NODES:
        raise SpecError(f"{field}: {len(pairs)} pairs; expected a list with two per node")
    return pairs


def _read_concat(cell: str, values: Mapping[str, ast.expr]) -> list[int]:
    field = f"{cell}_concat"
    value = values[field]
    bounds = _range_arguments(value)
    numbers = [_constant(each, int) for each in bounds or _elements(value)]
    known = [number for number in numbers if number is not None and 0 <= number <= _MOST_NODES + 2]
    if not known or len(known) < len(numbers) or len(bounds) > 2:
        raise SpecError(f"{field}: expected range(2, 6) or a list such as [2, 3, 4, 5]")
    return list(range(*known)) if bounds else known


def _range_arguments(value: ast.expr) -> list[ast.expr]:
    """The arguments of a call of ``range``; of anything else none."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and not value.keywords:
        return value.args if value.func.id == "range" else []
    return []


def _elements(value: ast.expr) -> list[ast.expr]:
    """The elements of a list or tuple; of anything else none."""
    return value.elts if isinstance(value, ast.List | ast.Tuple) else []


Value = TypeVar("Value", str, int)


def _constant(entry: ast.expr | None, kind: type[Value]) -> Value | None:
    """The literal if it is of exactly that kind (``True`` is no number)."""
    if isinstance(entry, ast.Constant) and type(entry.value) is kind:
        return entry.value
    return None


def _pairs(gene: CellGene, name: str) -> tuple[Pairs, list[int]]:
    """Pairs and concatenated nodes of a cell."""
    backwards = {here: there for there, here in OPERATIONS.items()}
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
    pairs: Pairs = []
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

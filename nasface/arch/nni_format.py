"""Cells of DARTS as nni exports them: one flat map of operations and inputs.

nni 2 and 3 write ``{"normal/op_2_0": "sep_conv_3x3", "normal/input_2_0": [0], ...}``, with a number
per node and edge. The DARTS example of nni 1 writes ``{"normal_n2_p0": "sepconv3x3",
"normal_n2_switch": ["normal_n2_p0", "normal_n2_p1"], ...}``, where the number behind ``p`` is the
source; an edge that is not kept has ``[]``, and an operation may be its number in nni's list.
Neither says which nodes are concatenated: nni's DARTS takes all of them.
"""

import ast
import re
from collections.abc import Iterator, Mapping

from nasface.arch.darts_format import DartsPair, darts_cell
from nasface.arch.genotype import CellGene
from nasface.arch.literals import Literal, read_literal, shown
from nasface.errors import SpecError

_NNI1_OPERATIONS = {
    "maxpool": "max_pool_3x3",
    "avgpool": "avg_pool_3x3",
    "skipconnect": "skip_connect",
    "sepconv3x3": "sep_conv_3x3",
    "sepconv5x5": "sep_conv_5x5",
    "dilconv3x3": "dil_conv_3x3",
    "dilconv5x5": "dil_conv_5x5",
    "none": "none",
}
"""Operations of nni 1, in the order of its list -> name in DARTS."""
_KEY = re.compile(
    r"(?P<cell>normal|reduce)"
    r"(?:/(?P<what>op|input)_(?P<node>\d{1,3})_(?P<at>\d{1,3})"
    r"|_n(?P<node1>\d{1,3})_(?:p(?P<source>\d{1,3})|(?P<switch>switch)))"
)
ALL_CONCATENATED = "all nodes are concatenated, as in nni's DARTS; the text does not say it"

Fields = Mapping[str, ast.expr]


def is_nni(fields: Fields) -> bool:
    """Return whether a key of the map is one of nni's."""
    return any(_KEY.fullmatch(key) for key in fields)


def read_nni_fields(fields: Fields) -> tuple[dict[str, CellGene], list[str]]:
    """Return the two cells, and notes on what was assumed or ignored.

    Raises:
        SpecError: naming the key and what would be accepted.
    """
    notes = [ALL_CONCATENATED]
    keys = {key: match for key in fields if (match := _KEY.fullmatch(key))}
    if len(keys) < len(fields):
        notes.append(f"ignored the keys {', '.join(key for key in fields if key not in keys)}")
    if any(match["node1"] and _value(fields, key) in range(8) for key, match in keys.items()):
        notes.append(f"operations are numbered as in nni's list: {', '.join(_NNI1_OPERATIONS)}")
    cells = {}
    for cell in ("normal", "reduce"):
        here = {key: match for key, match in keys.items() if match["cell"] == cell}
        read = _read_nni1 if any(match["node1"] for match in here.values()) else _read_nni2
        found: dict[int, list[DartsPair]] = {}
        for node, pair in read(fields, here):
            found.setdefault(node, []).append(pair)
        if not found or sorted(found) != list(range(2, len(found) + 2)):
            raise SpecError(
                f"{cell}: has the nodes {', '.join(map(str, sorted(found))) or 'none'}; expected "
                "them numbered from 2"
            )
        nodes = [found[node] for node in sorted(found)]
        cells[cell] = darts_cell(cell, nodes, range(2, len(nodes) + 2))
    return cells, notes


def _read_nni2(
    fields: Fields, keys: Mapping[str, re.Match[str]]
) -> Iterator[tuple[int, DartsPair]]:
    """Yield the node and pair of every edge of nni 2 and 3."""
    edges = sorted((int(m["node"]), int(m["at"]), m["cell"]) for m in keys.values())
    for node, at, cell in dict.fromkeys(edges):
        operation_key, source_key = f"{cell}/op_{node}_{at}", f"{cell}/input_{node}_{at}"
        for key in (operation_key, source_key):
            if key not in fields:
                raise SpecError(f"{key}: is missing")
        source = _value(fields, source_key)
        if isinstance(source, list) and len(source) == 1:
            source = source[0]
        if type(source) is not int:
            raise SpecError(
                f"{source_key}: {shown(fields[source_key])}, expected one source such as 0 or [0]"
            )
        yield node, (_operation(fields, operation_key), source)


def _read_nni1(
    fields: Fields, keys: Mapping[str, re.Match[str]]
) -> Iterator[tuple[int, DartsPair]]:
    """Yield the node and pair of every edge that nni 1 kept."""
    edges = [(int(m["node1"]), int(m["source"]), key) for key, m in keys.items() if m["source"]]
    for node, source, key in sorted(edges):
        switch = f"{keys[key]['cell']}_n{node}_switch"
        chosen = _value(fields, switch) if switch in fields else None
        if isinstance(chosen, list) and not {key, source} & set(map(_hashable, chosen)):
            continue
        if chosen is None and _value(fields, key) == []:
            continue
        yield node, (_operation(fields, key), source)


def _operation(fields: Fields, key: str) -> str:
    value = _value(fields, key)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if type(value) is int and 0 <= value < len(_NNI1_OPERATIONS) and "/" not in key:
        value = list(_NNI1_OPERATIONS)[value]
    if not isinstance(value, str):
        raise SpecError(f"{key}: {shown(fields[key])}, expected the name of an operation")
    return _NNI1_OPERATIONS.get(value, value)


def _value(fields: Fields, key: str) -> Literal:
    try:
        return read_literal(fields[key])
    except ValueError as problem:
        raise SpecError(f"{key}: {problem}, expected a text, number or list") from None


def _hashable(value: Literal) -> str | int | float | None:
    return None if isinstance(value, list) else value

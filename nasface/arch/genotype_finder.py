"""Where genotypes stand in the text of other tools: Python files, logs of searches, JSON.

The text is read with Python's own parser and tokeniser, as data, and never evaluated. Where it is
valid Python, as JSON nearly always is, or a map in YAML, its assignments, lists and maps give the
names; a log is searched for ``Genotype(`` and the like. What stands in a comment counts only if
nothing else does.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from nasface.arch import nasbench201_format
from nasface.arch.darts_format import FIELDS
from nasface.arch.literals import called_name, parse_expression, parse_module, shown
from nasface.arch.nni_format import is_nni
from nasface.errors import SpecError
from nasface.io.yaml import parse_yaml

UNNAMED = "genotype"
"""The name of a genotype that is assigned to nothing."""
_START = re.compile(
    r"\bGenotype\s*\((?=\s*(?:#[^\n]*\n\s*)*(?:\w+\s*=|[*\[(]))"
    r"|\bdict\s*\(\s*normal\s*="
    r"|\{\s*['\"](?:normal|reduce)(?:['\"]\s*:|[/_]\w)"
    rf"|{nasbench201_format.CELL.pattern}"
)
"""A call with fields, or a map of them; comments may stand in front of the first."""
_ASSIGNED = re.compile(r"((?:\w[\w.]*\s*=\s*)+)\Z")
_KEYED = re.compile(r"['\"]([\w./ -]+)['\"]\s*:\s*\Z")
_NEXT_IN_A_LIST = re.compile(r"\s*,\s*")
_LONGEST = 20_000
_LONGEST_PYTHON = 1_000_000
"""Longer texts are searched like a log: a syntax tree takes a hundred times their memory."""
_LONGEST_NAME = 200

Names = tuple[str, ...]
"""All names of a genotype, the one that was given first in front."""


@dataclass(frozen=True)
class FoundGenotype:
    """Position of a genotype in a text; ``aside``: it is part of a comment."""

    names: Names
    line: int
    tree: ast.expr | str | None
    """A syntax tree, the string of a NAS-Bench-201 cell, or ``None`` for what cannot be parsed."""
    aside: bool = False


def find_genotypes(text: str, place: str) -> list[FoundGenotype]:
    """Return the genotypes in a text, in its order; those in comments only where no other is.

    A name is that of the variable assigned to, with the keys and numbers that lead to it in maps
    and lists (``FOUND.best``, ``FOUND.0``).
    """
    tree = parse_module(text) if len(text) <= _LONGEST_PYTHON else None
    found = list(_scan(text) if tree is None else _walk(tree))
    if not found and len(text) <= _LONGEST_PYTHON and (tree := _of_yaml(text, place)) is not None:
        found = list(_walk(tree))
    return [each for each in found if not each.aside] or found


def genotype_fields(tree: ast.expr) -> tuple[dict[str, ast.expr], list[str]]:
    """Return name and value of every field, and a note on values behind the last field.

    Raises:
        SpecError: if it is neither a map nor a call, or names a field twice.
    """
    if isinstance(tree, ast.Dict):
        pairs = [(_key(key), value) for key, value in zip(tree.keys, tree.values, strict=True)]
        return dict(pairs), []
    if not isinstance(tree, ast.Call):
        raise SpecError(f"{shown(tree)} is no genotype; expected Genotype(normal=[...], ...)")
    pairs = list(zip(FIELDS, tree.args, strict=False))
    pairs += [(keyword.arg or "**", keyword.value) for keyword in tree.keywords]
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise SpecError(f"fields are {', '.join(name for name, _ in pairs)}; one is given twice")
    more = tree.args[len(FIELDS) :]
    return fields, [f"ignored {len(more)} values behind {FIELDS[-1]}"] if more else []


def _key(key: ast.expr | None) -> str:
    return str(key.value) if isinstance(key, ast.Constant) else "**"


def _is_genotype(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        given = {keyword.arg for keyword in node.keywords}
        name = called_name(node)
        return name == "Genotype" or (name == "dict" and {"normal", "reduce"} <= given)
    if isinstance(node, ast.Dict):
        fields, _ = genotype_fields(node)
        return {"normal", "reduce"} <= fields.keys() or is_nni(fields)
    return False


# Text that is Python


def _walk(module: ast.Module) -> Iterator[FoundGenotype]:
    """Yield every genotype below a syntax tree, in the order of the text, with its names."""
    events: list[tuple[tuple[int, int], Names, ast.AST]] = []
    waiting: list[tuple[Names, ast.AST]] = [((), module)]
    while waiting:
        names, node = waiting.pop()
        other = isinstance(node, ast.Assign) and _dotted(node.value)
        if other or _is_genotype(node) or _text_in(node):
            place = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
            events.append((place, names, node))
        else:
            waiting += _below(node, names)
    known: dict[str, FoundGenotype] = {}
    for (line, _), names, node in sorted(events, key=lambda event: event[0]):
        if isinstance(node, ast.Assign):  # another name of one that is known
            first = known.get(_dotted(node.value))
            new = _targets(node.targets, names)
            found = [] if first is None or not new else [replace(first, names=new, line=line)]
        elif _is_genotype(node) and isinstance(node, ast.expr):
            found = [FoundGenotype(names, line, node)]
        else:
            aside = isinstance(node, ast.Expr)
            found = [
                replace(each, line=line + each.line - 1, aside=aside)
                for each in _scan(_text_in(node), names)
            ]
        for each in found:
            known.update(dict.fromkeys(each.names, each))
        yield from found


def _text_in(node: ast.AST) -> str:
    """Return the text of a string, or of one that stands alone as a comment, if it holds
    genotypes."""
    inner = node.value if isinstance(node, ast.Expr) else node
    text = inner.value if isinstance(inner, ast.Constant) else None
    return text if isinstance(text, str) and _START.search(text) else ""


def _below(node: ast.AST, names: Names) -> list[tuple[Names, ast.AST]]:
    """Return the nodes below one of a syntax tree, with the names that lead to them."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)) if len(
            targets
        ) == len(values):
            pairs = zip(targets, values, strict=True)
            return [(_targets([target], names), value) for target, value in pairs]
        case ast.Assign():
            return [(_targets(node.targets, names), node.value)]
        case ast.AnnAssign(value=ast.expr()) | ast.NamedExpr():
            assert node.value is not None
            return [(_targets([node.target], names), node.value)]
        case ast.keyword():
            return [(_under(names, node.arg or ""), node.value)]
        case ast.Dict():
            items = zip(node.keys, node.values, strict=True)
            return [(_under(names, "" if key is None else _key(key)), each) for key, each in items]
        case ast.List(elts=several) | ast.Tuple(elts=several) if len(several) > 1:
            return [(_under(names, str(at)), each) for at, each in enumerate(several)]
        case ast.Call(args=several) if len(several) > 1:
            inside = [(_under(names, str(at)), each) for at, each in enumerate(several)]
            return inside + [(names, each) for each in (node.func, *node.keywords)]
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            inner = _under(names, node.name)
            return [(inner, each) for each in ast.iter_child_nodes(node)]
    return [(names, each) for each in ast.iter_child_nodes(node)]


def _targets(targets: Sequence[ast.expr], names: Names) -> Names:
    """Return the names that an assignment gives, below those of the class or function around it."""
    given = [name for name in map(_dotted, targets) if name]
    return tuple(f"{each}.{name}" for each in names for name in given) or tuple(given) or names


def _under(names: Names, key: str) -> Names:
    if not key:
        return names
    return tuple(f"{name}.{key}" for name in names) or (key,)


def _dotted(node: ast.AST) -> str:
    """Return ``A.b.0`` for the name ``A``, an attribute or an entry of it; empty for anything
    else."""
    parts = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        part = node.attr if isinstance(node, ast.Attribute) else _key(node.slice)
        parts.append(part)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _of_yaml(text: str, place: str) -> ast.Module | None:
    """Return the syntax tree of the map that a text is in YAML; all of it is on line 1."""
    try:
        values = parse_yaml(text, place, SpecError)
    except SpecError:
        return None
    return parse_module(repr(values)) if isinstance(values, dict) else None


# Text that is not


def _scan(text: str, names: Names = ()) -> list[FoundGenotype]:
    """Return every genotype in a text that need not be Python, such as a log, with its names."""
    starts = [match.start() for match in _START.finditer(text)]
    found: list[FoundGenotype] = []
    last, counted, line, at = 0, 0, 1, 0  # end of the last entry; line of ``counted``; list index
    for start, end in pairwise([*starts, len(text)]):
        line += text.count("\n", counted, start)
        counted = start
        between = text[max(last, start - _LONGEST_NAME) : start]
        at = at + 1 if found and _NEXT_IN_A_LIST.fullmatch(between) else 0
        given = _names_before(between) or names
        if at == 1:  # the entry before is the first of a list
            found[-1] = replace(found[-1], names=_under(found[-1].names or (UNNAMED,), "0"))
        if at:
            given = tuple(f"{name.rpartition('.')[0]}.{at}" for name in found[-1].names)
        aside = text[text.rfind("\n", 0, start) + 1 : start].lstrip().startswith("#")
        here = text[start : min(end, start + _LONGEST)]
        cell = nasbench201_format.CELL.match(here)
        source = cell[0] if cell else _balanced(here)
        tree = cell[0] if cell else parse_expression(source)
        found.append(FoundGenotype(given, line, tree, aside))
        last = start + len(source)
    return found


def _names_before(text: str) -> Names:
    """Return the names in ``A = B =`` or ``'A':`` at the end of a text."""
    if match := _ASSIGNED.search(text):
        return tuple(name.strip() for name in match[1].split("=")[:-1])
    match = _KEYED.search(text)
    return (match[1],) if match else ()


def _balanced(text: str) -> str:
    """Return the beginning of a text up to the bracket that closes its first; empty without
    that."""
    depth = 0
    lines = io.StringIO(text).readlines()
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.OP and token.string in "()[]{}":
                depth += 1 if token.string in "([{" else -1
                if depth == 0:
                    row, column = token.end
                    return "".join(lines[: row - 1]) + lines[row - 1][:column]
    except (tokenize.TokenError, SyntaxError):
        pass
    return ""

"""Genotypes in the text of other tools: Python files, logs of searches, JSON.

The text is read with Python's own parser and tokeniser, as data, and never evaluated. Where it is
valid Python, as JSON nearly always is, or a map in YAML, its assignments, lists and maps give the
names; a log is searched for ``Genotype(`` and the like. What stands in a comment counts only if
nothing else does.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from nasface.arch import nasbench201_format
from nasface.arch.darts_format import FIELDS, darts_genotype, read_darts_fields
from nasface.arch.genotype import Genotype
from nasface.arch.literals import called_name, parse_expression, parse_module, shown
from nasface.arch.nni_format import is_nni, read_nni_fields
from nasface.arch.space import SearchSpace
from nasface.errors import SpecError, did_you_mean
from nasface.io.yaml import parse_yaml

_NAME = "genotype"
"""The name of a genotype that is assigned to nothing."""
#: a call with fields, or a map of them; comments may stand in front of the first
_START = re.compile(
    r"\bGenotype\s*\((?=\s*(?:#[^\n]*\n\s*)*(?:\w+\s*=|[*\[(]))"
    r"|\bdict\s*\(\s*normal\s*="
    r"|\{\s*['\"](?:normal|reduce)(?:['\"]\s*:|[/_]\w)"
    rf"|{nasbench201_format.CELL.pattern}"
)
_ASSIGNED = re.compile(r"((?:\w[\w.]*\s*=\s*)+)\Z")
_KEYED = re.compile(r"['\"]([\w./ -]+)['\"]\s*:\s*\Z")
_NEXT_IN_A_LIST = re.compile(r"\s*,\s*")
_LONGEST = 20_000
_LONGEST_PYTHON = 1_000_000
"""Longer texts are searched like a log: a syntax tree takes a hundred times their memory."""
_LONGEST_NAME = 200
_MOST_ENTRIES = 2_000
_MOST_SHOWN = 20

Names = tuple[str, ...]


@dataclass(frozen=True)
class GenotypeEntry:
    """A genotype of a text: read, or with the reason why it cannot be."""

    names: Names
    line: int
    genotype: Genotype | None
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class GenotypeText:
    """The genotypes of a text, in its order."""

    place: str
    entries: tuple[GenotypeEntry, ...]

    @property
    def genotypes(self) -> dict[str, Genotype]:
        """Those that can be read, by name; of several with one name the last."""
        return {
            name: replace(entry.genotype, name=name)
            for entry in self.entries
            if entry.genotype is not None
            for name in entry.names
        }

    def choose(self, name: str = "") -> tuple[Genotype, list[str]]:
        """Return the genotype of a name, and notes for a person; without a name, the only one.

        ``name`` may leave out what comes before a dot, if that leaves no doubt. Entries of one name
        are taken for the epochs of a search: the last counts, and a note says so.

        Raises:
            SpecError: if there is none, if several could be meant, or if it cannot be read.
        """
        entries = self._named(name) if name else self.entries
        readable = [entry for entry in entries if entry.genotype is not None]
        if not readable:
            first = entries[0]
            raise SpecError(f"{self.place}: line {first.line}: {first.problem}")
        distinct = {_cells_of(entry) for entry in readable}
        if len(distinct) > 1 and len({entry.names for entry in readable}) > 1:
            known = dict.fromkeys(each for entry in readable for each in entry.names)
            raise SpecError(f"{self.place}: holds {_listed(known)}; choose one with --name")
        chosen = readable[-1]
        notes = [*chosen.notes]
        if len(distinct) > 1:
            notes.append(
                f"{len(readable)} genotypes are named {chosen.names[0]}; took the last, of line "
                f"{chosen.line}"
            )
        unread = [
            f"left out {entry.names[0]}, line {entry.line}: {entry.problem}"
            for entry in self.entries
            if entry.genotype is None
        ]
        notes += unread[:_MOST_SHOWN]
        if len(unread) > _MOST_SHOWN:
            notes.append(f"left out {len(unread) - _MOST_SHOWN} more")
        assert chosen.genotype is not None
        return chosen.genotype, notes

    def _named(self, name: str) -> Sequence[GenotypeEntry]:
        exact = [entry for entry in self.entries if name in entry.names]
        if exact:
            return exact
        known = dict.fromkeys(each for entry in self.entries for each in entry.names)
        ending = [each for each in known if each.endswith(f".{name}")]
        if len(ending) > 1:
            raise SpecError(f"{self.place}: {name!r} may be {_listed(ending)}; give one in full")
        if not ending:
            near = did_you_mean(name, known)
            raise SpecError(
                f"{self.place}: holds no {name!r}; expected one of {_listed(known)}{near}"
            )
        return [entry for entry in self.entries if ending[0] in entry.names]


def read_genotype_text(text: str, place: str, space: SearchSpace | None = None) -> GenotypeText:
    """Return the genotypes in a text, such as DARTS' ``genotypes.py``, nni's JSON or the log of a
    search.

    A name is that of the variable assigned to, with the keys and numbers that lead to it in maps
    and lists (``FOUND.best``, ``FOUND.0``), or ``genotype`` without one. ``space`` is that of cells
    of NAS-Bench-201; other forms have their own.

    Raises:
        SpecError: naming ``place`` and what would be accepted, if there is none.
    """
    tree = parse_module(text) if len(text) <= _LONGEST_PYTHON else None
    found = list(_scan(text) if tree is None else _walk(tree))
    if not found and len(text) <= _LONGEST_PYTHON and (tree := _of_yaml(text, place)) is not None:
        found = list(_walk(tree))
    kept = [each for each in found if not each.aside] or found
    if len(kept) > _MOST_ENTRIES:
        raise SpecError(f"{place}: holds {len(kept)} genotypes, expected at most {_MOST_ENTRIES}")
    if not kept:
        raise SpecError(f"{place}: holds no genotype; expected Genotype(normal=[...], ...)")
    return GenotypeText(place, tuple(_read(each, space) for each in kept))


# Reading an entry


@dataclass(frozen=True)
class _Found:
    """Position of a genotype in a text; ``aside``: it is part of a comment."""

    names: Names
    line: int
    tree: ast.expr | str | None
    """A syntax tree, the string of a NAS-Bench-201 cell, or ``None`` for what cannot be parsed."""
    aside: bool = False


def _read(found: _Found, space: SearchSpace | None) -> GenotypeEntry:
    names = found.names or (_NAME,)
    try:
        genotype, notes = _genotype(names[0], found.tree, space)
    except SpecError as error:
        return GenotypeEntry(names, found.line, None, str(error))
    return GenotypeEntry(names, found.line, genotype, "", tuple(notes))


def _genotype(
    name: str, tree: ast.expr | str | None, space: SearchSpace | None
) -> tuple[Genotype, list[str]]:
    """The genotype of an entry, and notes."""
    if tree is None:
        raise SpecError("Genotype(...) is not complete or not readable")
    if isinstance(tree, str):
        return nasbench201_format.read_nasbench201(tree, name, space), []
    fields, notes = _fields(tree)
    nni = is_nni(fields)
    cells, more = read_nni_fields(fields) if nni else read_darts_fields(fields)
    return darts_genotype(name, cells, "nni" if nni else "DARTS text"), notes + more


def _fields(tree: ast.expr) -> tuple[dict[str, ast.expr], list[str]]:
    """Name and value of every field, and a note on values behind the last field."""
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
        fields, _ = _fields(node)
        return {"normal", "reduce"} <= fields.keys() or is_nni(fields)
    return False


# Text that is Python


def _walk(module: ast.Module) -> Iterator[_Found]:
    """Every genotype below a syntax tree, in the order of the text, with its names."""
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
    known: dict[str, _Found] = {}
    for (line, _), names, node in sorted(events, key=lambda event: event[0]):
        if isinstance(node, ast.Assign):  # another name of one that is known
            first = known.get(_dotted(node.value))
            new = _targets(node.targets, names)
            found = [] if first is None or not new else [replace(first, names=new, line=line)]
        elif _is_genotype(node) and isinstance(node, ast.expr):
            found = [_Found(names, line, node)]
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
    """The text of a string, or of one that stands alone as a comment, if it holds genotypes."""
    inner = node.value if isinstance(node, ast.Expr) else node
    text = inner.value if isinstance(inner, ast.Constant) else None
    return text if isinstance(text, str) and _START.search(text) else ""


def _below(node: ast.AST, names: Names) -> list[tuple[Names, ast.AST]]:
    """The nodes below one of a syntax tree, with the names that lead to them."""
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
    """The names that an assignment gives, below those of the class or function around it."""
    given = [name for name in map(_dotted, targets) if name]
    return tuple(f"{each}.{name}" for each in names for name in given) or tuple(given) or names


def _under(names: Names, key: str) -> Names:
    if not key:
        return names
    return tuple(f"{name}.{key}" for name in names) or (key,)


def _dotted(node: ast.AST) -> str:
    """``A.b.0`` for the name ``A``, an attribute or an entry of it; empty for anything else."""
    parts = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        part = node.attr if isinstance(node, ast.Attribute) else _key(node.slice)
        parts.append(part)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _of_yaml(text: str, place: str) -> ast.Module | None:
    """The syntax tree of the map that a text is in YAML; all of it is on line 1."""
    try:
        values = parse_yaml(text, place, SpecError)
    except SpecError:
        return None
    return parse_module(repr(values)) if isinstance(values, dict) else None


# Text that is not


def _scan(text: str, names: Names = ()) -> list[_Found]:
    """Every genotype in a text that need not be Python, such as a log, with its names."""
    starts = [match.start() for match in _START.finditer(text)]
    found: list[_Found] = []
    last, counted, line, at = 0, 0, 1, 0  # end of the last entry; line of ``counted``; list index
    for start, end in pairwise([*starts, len(text)]):
        line += text.count("\n", counted, start)
        counted = start
        between = text[max(last, start - _LONGEST_NAME) : start]
        at = at + 1 if found and _NEXT_IN_A_LIST.fullmatch(between) else 0
        given = _names_before(between) or names
        if at == 1:  # the entry before is the first of a list
            found[-1] = replace(found[-1], names=_under(found[-1].names or (_NAME,), "0"))
        if at:
            given = tuple(f"{name.rpartition('.')[0]}.{at}" for name in found[-1].names)
        aside = text[text.rfind("\n", 0, start) + 1 : start].lstrip().startswith("#")
        here = text[start : min(end, start + _LONGEST)]
        cell = nasbench201_format.CELL.match(here)
        source = cell[0] if cell else _balanced(here)
        tree = cell[0] if cell else parse_expression(source)
        found.append(_Found(given, line, tree, aside))
        last = start + len(source)
    return found


def _names_before(text: str) -> Names:
    """The names in ``A = B =`` or ``'A':`` at the end of a text."""
    if match := _ASSIGNED.search(text):
        return tuple(name.strip() for name in match[1].split("=")[:-1])
    match = _KEYED.search(text)
    return (match[1],) if match else ()


def _balanced(text: str) -> str:
    """The beginning of a text up to the bracket that closes its first; empty without that."""
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


def _listed(names: Iterable[str]) -> str:
    known = [each if each.isprintable() else ascii(each) for each in names]
    more = f" and {len(known) - _MOST_SHOWN} more" if len(known) > _MOST_SHOWN else ""
    return ", ".join(known[:_MOST_SHOWN]) + more


def _cells_of(entry: GenotypeEntry) -> str:
    return "" if entry.genotype is None else str(sorted(entry.genotype.cells.items()))

"""Definitions and imports of a module, and the names that a definition uses."""

import ast
import dis
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import resolve_name
from types import CodeType

from nasface.errors import ExportError

NAMED = ("GLOBAL", "GLOBALS", "NAME")
"""Ends of the instructions that load a name; GLOBALS in annotations, from Python 3.14."""


@dataclass
class ModuleSource:
    """The lines of a module, its top-level definitions, and where its imported names come from.

    ``imports``: name -> (module, name in it), which is empty for the module itself.
    """

    lines: list[bytes]
    definitions: dict[str, ast.stmt] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)


@cache
def read_module(name: str) -> ModuleSource:
    """Parse the source of a module.

    Raises:
        ExportError: if it has none, as in a notebook.
    """
    module = import_module(name)
    try:
        text = inspect.getsource(module)
    except (OSError, TypeError):
        raise ExportError(f"module {name} has no source to copy; expected a Python file") from None
    found = ModuleSource([line.encode() for line in text.splitlines()])
    body = ast.parse(text).body
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            body.extend(node.body)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.definitions[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name):
                found.definitions[target.id] = node
        elif isinstance(node, ast.Import):
            for each in node.names:
                whole = each.name if each.asname else each.name.partition(".")[0]
                found.imports[each.asname or whole] = (whole, "")
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            source = resolve_name(f"{dots}{node.module or ''}", module.__package__ or "")
            for each in node.names:
                found.imports[each.asname or each.name] = (source, each.name)
    return found


def names_used(node: ast.stmt) -> set[tuple[str, int, int]]:
    """Return the names that a definition takes from its module, with line and column of each."""
    code = compile(ast.Module([node], []), "<definition>", "exec")
    found = set(_global_names(code))
    # Annotations inside functions are never evaluated.
    for each in ast.walk(node):
        if isinstance(each, ast.AnnAssign):
            names = (name for name in ast.walk(each.annotation) if isinstance(name, ast.Name))
            found |= {(name.id, name.lineno, name.col_offset) for name in names}
    return found


def _global_names(code: CodeType) -> Iterator[tuple[str, int, int]]:
    for step in dis.get_instructions(code):
        at = step.positions
        named = step.opname.startswith("LOAD_") and step.opname.endswith(NAMED)
        if named and at and at.lineno is not None and at.col_offset is not None:
            yield step.argval, at.lineno, at.col_offset
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)

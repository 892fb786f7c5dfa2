"""Takes definitions out of our own modules, with all that they need, as source text."""

import ast
import inspect
import re
from collections.abc import Mapping, Sequence
from types import ModuleType


def gather(
    module: ModuleType, names: Sequence[str], rename: Mapping[str, str] | None = None
) -> list[str]:
    """The source of ``names`` and of what they use from the same module, in its order.

    ``rename`` gives other names to some. Type casts, which nothing but a type checker sees, and the
    roles of cross-references are left out.
    """
    source = inspect.getsource(module)
    lines = source.splitlines()
    definitions = {
        name: node for node in ast.parse(source).body if (name := _defined(node)) is not None
    }
    wanted: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in definitions and name not in wanted:
            wanted.add(name)
            left += [each.id for each in ast.walk(definitions[name]) if isinstance(each, ast.Name)]
    missing = set(names) - wanted
    assert not missing, f"{module.__name__} defines no {sorted(missing)}"
    found = []
    for name, node in definitions.items():
        if name in wanted:
            text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            text = re.sub(r":(?:func|class):(?=`)", "", _without_casts(text))
            for old, new in (rename or {}).items():
                text = re.sub(rf"\b{old}\b", new, text)
            found.append(text)
    return found


def _defined(node: ast.stmt) -> str | None:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None


def _without_casts(text: str) -> str:
    """``cast(T, x)`` as ``x``."""
    while (start := re.search(r"\bcast\(", text)) is not None:
        depth, comma, at = 0, 0, start.end()
        while depth or text[at] != ")":
            depth += (text[at] in "([") - (text[at] in ")]")
            if text[at] == "," and not depth and not comma:
                comma = at
            at += 1
        text = text[: start.start()] + text[comma + 1 : at].strip() + text[at + 1 :]
    return text

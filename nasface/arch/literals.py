"""Values in Python or JSON text, read from its syntax tree; nothing is ever evaluated."""

import ast
import re
import warnings
from typing import TypeAlias

Literal: TypeAlias = "str | int | float | bool | list[Literal] | None"

_MAX_RANGE = 1000
_WRAPPER = re.compile(r"(?:u?int|float|str)\d*_?|intp|tensor|array")
"""What turns one value into another that reads the same: ``np.int64(3)``, ``tensor(0.1)``."""
_LISTS = ("list", "tuple", "array", "tensor")
_SHOWN = 60


def parse_expression(source: str) -> ast.expr | None:
    """Return the syntax tree of an expression; ``None`` for a text that is none."""
    tree = parse_module(source)
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    return tree.body[0].value


def parse_module(source: str) -> ast.Module | None:
    """Return the syntax tree of a Python file; ``None`` for a text that is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on how to write literals
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def read_literal(node: ast.expr) -> Literal:
    """Return the value of a text, number, ``None``, list or tuple, ``range(...)``, ``list(...)``,
    or of these in the type of another library, such as ``np.int64(3)`` and ``array([2, 3])``.

    Raises:
        ValueError: with the expression, if it is anything else.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool | None):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [read_literal(each) for each in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _negative(node)
    if isinstance(node, ast.Call):
        return _read_call(node)
    raise ValueError(shown(node))


def _negative(node: ast.UnaryOp) -> Literal:
    value = node.operand.value if isinstance(node.operand, ast.Constant) else None
    if type(value) is int or type(value) is float:
        return -value
    raise ValueError(shown(node))


def _read_call(node: ast.Call) -> Literal:
    name = called_name(node)
    values = [read_literal(each) for each in node.args]
    if name in ("range", "arange") and not node.keywords:
        return _read_range(node, values)
    if len(values) == 1 and name in _LISTS and isinstance(values[0], list):
        return values[0]
    if len(values) == 1 and _WRAPPER.fullmatch(name) and not isinstance(values[0], list):
        return values[0]
    raise ValueError(shown(node))


def _read_range(node: ast.Call, values: list[Literal]) -> Literal:
    bounds = [each for each in values if type(each) is int]
    if not 1 <= len(bounds) == len(values) <= 3 or 0 in bounds[2:]:
        raise ValueError(shown(node))
    numbers = range(*bounds)
    if max(map(abs, bounds)) > _MAX_RANGE:
        raise ValueError(shown(node))
    return list(numbers)


def called_name(node: ast.Call) -> str:
    """Return the last part of the name of what is called; empty for other expressions."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def elements(node: ast.expr) -> list[ast.expr]:
    """Return the elements of a list or tuple; of anything else none."""
    return node.elts if isinstance(node, ast.List | ast.Tuple) else []


def shown(node: ast.expr) -> str:
    """Return the beginning of an expression, to show in a message."""
    try:
        text = " ".join(ast.unparse(node).split())
    except RecursionError:
        text = type(node).__name__
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

"""Literal values in syntax trees, against Python."""

import ast
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.arch.literals import (
    called_name,
    parse_expression,
    parse_module,
    read_literal,
    shown,
)

plain = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
nested = st.recursive(
    plain, lambda inner: st.lists(inner) | st.lists(inner).map(tuple), max_leaves=9
)


def read(text: str) -> Any:
    tree = parse_expression(text)
    assert tree is not None
    return read_literal(tree)


def as_lists(value: Any) -> Any:
    return [as_lists(each) for each in value] if isinstance(value, list | tuple) else value


@given(nested.filter(lambda value: "inf" not in repr(value)))
def test_any_value_as_python_reads_it(value: Any) -> None:
    assert read(repr(value)) == as_lists(value)


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-5, 5).filter(bool))
def test_ranges(start: int, stop: int, step: int) -> None:
    assert read(f"range({start}, {stop}, {step})") == list(range(start, stop, step))
    assert read(f"list(range({start}, {stop}))") == list(range(start, stop))
    assert read(f"tuple(range({stop}))") == list(range(stop))


@pytest.mark.parametrize("kind", ["int64", "int32", "uint8", "float32", "float64", "str_"])
def test_numbers_of_numpy(kind: str) -> None:
    value = getattr(np, kind)(1)
    for text in (repr(value), repr(value).removeprefix("np.")):
        assert read(text) == value.item()


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "1 + 2",
        "--1",
        "-x",
        "not 1",
        "b'x'",
        "1j",
        "...",
        "{1}",
        "{1: 2}",
        "f()",
        "f(1)",
        "open('x')",
        "range()",
        "range(1.0)",
        "range(1, 2, 3, 4)",
        "range(0, 10, 0)",
        "range(100000)",
        "range(True)",
        "range(stop=3)",
        "list(1)",
        "list([1], [2])",
        "np.int64()",
        "np.int64(1, 2)",
        "np.int64([1])",
        "np.int64(x)",
        "[1, x]",
        "[*range(3)]",
        "x[0](1)",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    tree = parse_expression(text)
    assert tree is not None
    with pytest.raises(ValueError, match=r"."):
        read_literal(tree)


@pytest.mark.parametrize("text", ["", "a = 1", "1; 2", "(", "\0", "(" * 10_000, "a b"])
def test_what_is_no_expression(text: str) -> None:
    assert parse_expression(text) is None


@pytest.mark.parametrize("text", ["a b", "\0", "1" * 5000])
def test_what_is_no_python(text: str) -> None:
    assert parse_module(text) is None


def test_shown_is_short_and_printable() -> None:
    tree = parse_expression(f"[{'1, ' * 100}]")
    assert tree is not None
    assert shown(tree) == f"[{'1, ' * 19}1, ..."[:60] + "..."
    tree = parse_expression("'\u2028' + '\x07'")
    assert tree is not None
    assert shown(tree).isprintable()
    deep: ast.expr = ast.Name("x")
    for _ in range(5000):
        deep = ast.BinOp(deep, ast.Add(), ast.Constant(1))
    assert shown(deep) == "BinOp"


def test_names_of_calls() -> None:
    for text, name in {"f(1)": "f", "a.b.f(1)": "f", "f[0](1)": ""}.items():
        tree = parse_expression(text)
        assert isinstance(tree, ast.Call)
        assert called_name(tree) == name


def test_infinity_is_a_number() -> None:
    assert math.isinf(read("1e999"))

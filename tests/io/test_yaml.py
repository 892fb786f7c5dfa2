"""The strict reader of YAML."""

import importlib
import runpy
import sys
from pathlib import Path

import pytest

from nasface.errors import SpecError
from nasface.io import yaml as strict
from nasface.io.yaml import parse_yaml

SPACES = sorted(Path(strict.__file__).parents[2].glob("search_spaces/**/*.yaml"))


def test_a_huge_or_deep_text_is_refused() -> None:
    with pytest.raises(SpecError, match="larger than"):
        parse_yaml("#" * 500_001, "huge", SpecError)
    with pytest.raises(SpecError, match=r"deep: not valid YAML: brackets are more than 50 deep"):
        parse_yaml("[" * 51 + "]" * 51, "deep", SpecError)
    # Newer releases of libyaml have a limit of their own.
    with pytest.raises(SpecError, match=r"deep: not valid YAML: .*(50 deep|nesting depth)"):
        parse_yaml("[" * 5000, "deep", SpecError)
    deep = "".join(f"{' ' * at}a:\n" for at in range(600))
    with pytest.raises(SpecError, match=r"deep: not valid YAML: maximum recursion"):
        parse_yaml(deep, "deep", SpecError)
    value = parse_yaml("[" * 50 + "]" * 50, "deep enough", SpecError)
    for _ in range(49):
        (value,) = value
    assert value == []


def test_without_libyaml_it_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert strict._Parser is importlib.import_module("yaml.cyaml").CParser
    monkeypatch.setitem(sys.modules, "yaml.cyaml", None)
    in_python = runpy.run_path(strict.__file__)["parse_yaml"]
    assert SPACES
    for path in SPACES:
        text = path.read_text("utf-8")
        assert in_python(text, path.name, SpecError) == parse_yaml(text, path.name, SpecError)
    for text, said in (
        ("[" * 51, "brackets are more than 50 deep"),
        ("a: &x 1\nb: *x\n", "aliases"),
        ("a: !!int 1\n", "tags"),
        ("a: 1\na: 2\n", "'a' is given twice"),
        ("a: [1\n", "line"),
    ):
        for parse in (in_python, parse_yaml):
            with pytest.raises(SpecError, match=said):
                parse(text, "x", SpecError)

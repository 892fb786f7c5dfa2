"""Definitions are copied with all that they use; everything else is imported."""

import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import nn

from nasface.deploy.python_source.extract import Code, SourceCopier
from nasface.errors import ExportError
from nasface.nn.operations import separable, skip

FIRST = '''
from __future__ import annotations

import math
from typing import TYPE_CHECKING
from collections import OrderedDict as Ordered

from second_of_two import LIMIT, helper

if TYPE_CHECKING:
    from fractions import Fraction

FACTOR: float = 2 * math.pi


class Shape:
    """A shape."""

    SIDES = 4

    def area(self, helper: float) -> float:
        """The argument hides the function."""
        sides: Ordered[str, float] = Ordered()
        return FACTOR * helper + len(sides)

    def half(self, of: Fraction) -> float:
        é, limit = LIMIT, helper(float(of))
        return é + limit / 2


def make(sides: int = 4, *, name: str = "shape") -> Shape:
    return Shape()
'''
SECOND = """
LIMIT = 3


def helper(x: float) -> float:
    return min(x, LIMIT)
"""


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, text in (("first_of_two", FIRST), ("second_of_two", SECOND)):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    import first_of_two  # type: ignore[import-not-found]  # made above

    return first_of_two  # type: ignore[no-any-return]


def run(copier: SourceCopier) -> dict[str, Any]:
    parts = [part for section in copier.sections.values() for part in section]
    namespace: dict[str, Any] = {}
    exec("\n\n".join([copier.import_lines(), *parts]), namespace)
    return namespace


def test_all_that_is_used_is_copied(first: ModuleType) -> None:
    copier = SourceCopier({})
    copier._packages.add("second_of_two")
    assert copier.call(first.make, 4) == "make()"
    assert copier.call(first.make, 5) == "make(5)"
    assert copier.call(partial(first.make, name='a"b'), Code("n")) == 'make(n, name="a\\"b")'
    assert copier.import_lines().splitlines() == [
        "import math",
        "from collections import OrderedDict as Ordered",
        "from fractions import Fraction",
    ]
    assert copier.packages() == []
    shape = run(copier)["make"]()
    assert shape.half(1) == 3.5
    assert shape.area(1.0) == pytest.approx(6.283185)


def test_what_another_package_defines_is_imported(first: ModuleType) -> None:
    copier = SourceCopier({})
    copier.copy(first.Shape)
    assert "from second_of_two import LIMIT, helper" in copier.import_lines()
    assert copier.packages() == ["second_of_two"]
    assert run(copier)["Shape"]().half(1) == 3.5


def test_a_name_that_is_taken_is_changed_wherever_it_is_used(first: ModuleType) -> None:
    copier = SourceCopier({}, ["LIMIT", "helper", "Shape", "math"])
    copier._packages.add("second_of_two")
    assert copier.copy(first.Shape) == "Shape_2"
    assert "import math as math_2" in copier.import_lines()
    namespace = run(copier)
    assert not {"LIMIT", "helper", "Shape"} & set(namespace)
    shape = namespace["Shape_2"]()
    assert shape.half(1) == 3.5
    assert shape.area(1.0) == pytest.approx(6.283185)


def test_arguments_that_are_defaults_are_left_out() -> None:
    copier = SourceCopier({"nn": ("torch", "nn")})
    assert copier.call(partial(separable, kernel=3), 8, 1, True) == "separable(8, kernel=3)"
    assert copier.call(partial(separable, kernel=3), 8, 2, True) == "separable(8, 2, kernel=3)"
    assert copier.call(skip, 8, 1, False) == "skip(8, 1, False)"


def test_what_torch_defines_is_imported() -> None:
    copier = SourceCopier({})
    assert copier.call(nn.MaxPool2d, 3, (2, 1)) == "MaxPool2d(3, (2, 1))"
    assert copier.import_lines() == "from torch.nn.modules.pooling import MaxPool2d"
    assert not any(copier.sections.values())


def test_what_has_no_source_is_refused() -> None:
    def inner() -> None:
        pass

    for value in (inner, lambda: 0, nn.ReLU().forward, [1], object()):
        with pytest.raises(ExportError, match="cannot be copied into a Python file; expected a"):
            SourceCopier({}).call(separable, value)

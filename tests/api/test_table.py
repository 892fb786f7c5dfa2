"""Rows that print as a table."""

import doctest

import pandas as pd
import pytest

from nasface.api import table
from nasface.api.table import SHOWN, Table


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(table).failed == 0
    assert doctest.testmod(table).attempted == 1


def test_columns_are_those_of_all_rows() -> None:
    rows = Table([{"step": 1, "loss": 2.0}, {"step": 1, "ap": 0.5}])
    assert rows.columns == ["step", "loss", "ap"]
    assert rows.column("loss") == [2.0, None]
    with pytest.raises(KeyError, match="'los'; expected one of step, loss, ap"):
        rows.column("los")
    assert pd.DataFrame(rows)["loss"].tolist()[0] == 2.0


def test_many_rows_show_the_first_and_the_last() -> None:
    lines = repr(Table({"step": at} for at in range(1000))).splitlines()
    assert len(lines) == SHOWN + 2
    assert [line.strip() for line in (lines[1], lines[-1])] == ["0", "999"]
    assert "..." in lines[SHOWN // 2 + 1]


def test_a_notebook_shows_cells_that_are_no_markup() -> None:
    text = Table([{"node": "<b>"}])._repr_html_()
    assert text == "<table><tr><th>node</th></tr><tr><td>&lt;b&gt;</td></tr></table>"


def test_without_rows() -> None:
    assert repr(Table()) == ""

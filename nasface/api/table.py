"""Rows of figures that print as a table, in a notebook too."""

import html
from collections.abc import Iterable, Mapping
from typing import Any

from nasface.errors import check_kind

SHOWN = 20
"""Rows that are printed; of more, the first and the last."""


class Table(list[dict[str, Any]]):
    """A list of rows, each a dict of column -> value; ``pandas.DataFrame(table)`` takes it as well.

    >>> Table([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25, "ap": 0.125}])
    step   loss     ap
       1  0.500
       2  0.250  0.125
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        check_kind("rows", rows, Iterable, "a list of maps")
        super().__init__()
        for row in rows:
            check_kind("rows", row, Mapping, "a list of maps")
            self.append(dict(row))

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in the order in which rows bring them."""
        return list(dict.fromkeys(name for row in self for name in row))

    def column(self, name: str) -> list[Any]:
        """Return the values of a column; None where a row has none.

        Raises:
            KeyError: if no row has it.
        """
        if name not in self.columns:
            raise KeyError(f"{name!r}; expected one of {', '.join(self.columns)}")
        return [row.get(name) for row in self]

    def __repr__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in cells
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        head, *body = self._cells()
        lines = [_html_row(head, "th"), *(_html_row(line, "td") for line in body)]
        return f"<table>{''.join(lines)}</table>"

    def _cells(self) -> list[list[str]]:
        columns = self.columns
        half = SHOWN // 2
        rows: list[dict[str, Any] | None] = list(self)
        if len(rows) > SHOWN:
            rows = [*rows[:half], None, *rows[-half:]]
        lines = [
            ["..." if row is None else _text(row.get(name)) for name in columns] for row in rows
        ]
        return [columns, *lines]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.3g}"


def _html_row(cells: list[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(each)}</{tag}>" for each in cells) + "</tr>"

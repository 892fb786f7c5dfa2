"""One table, one label file, spelled in the many ways in which programs spell them."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nasface.annotations.csv_table import read_csv
from nasface.annotations.yolo_labels import read_labels

NAMES = ("a.jpg", "e/b.png", "e/é ü.JPG", "c,d.jpg", "100% #1.webp")
COLUMNS = ("filename", "xmin", "ymin", "xmax", "ymax", "class")
HEADERS = (str, str.upper, str.title, lambda name: f" {name} ", lambda name: f"bbox_{name}")


class Number(NamedTuple):
    """A number, and a way to write it."""

    value: float
    text: str


@st.composite
def numbers(draw: st.DrawFn, low: float = 0, high: float = 2000) -> Number:
    form = draw(st.sampled_from(["{:.0f}", "{:.3f}", "{:+.2f}", "{:e}", "{:.4E}", "{:g}", "{:r}"]))
    value = draw(st.floats(low, high, allow_subnormal=False))
    text = repr(value) if form == "{:r}" else form.format(value)
    return Number(float(text), text)


@st.composite
def boxes(draw: st.DrawFn) -> list[Number]:
    x1, y1, x2, y2 = (draw(numbers()) for _ in range(4))
    (x1, x2), (y1, y2) = sorted((x1, x2)), sorted((y1, y2))
    return [x1, y1, x2, y2]


class Dialect(NamedTuple):
    """How a table is written."""

    delimiter: str
    decimal: str
    end: str
    coding: str
    quotes: bool
    padding: str
    blank_lines: bool
    trailing: bool


@st.composite
def dialects(draw: st.DrawFn) -> Dialect:
    delimiter = draw(st.sampled_from(",;\t|"))
    return Dialect(
        delimiter,
        "." if delimiter == "," else draw(st.sampled_from(".,")),
        draw(st.sampled_from(["\n", "\r\n", "\r"])),
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"])),
        draw(st.booleans()),
        draw(st.sampled_from(["", " ", "  "])) if delimiter != "\t" else "",
        draw(st.booleans()),
        draw(st.booleans()),
    )


def line(cells: list[str], dialect: Dialect) -> str:
    quoted = [
        f'"{cell}"' if dialect.quotes or dialect.delimiter in cell else cell for cell in cells
    ]
    text = dialect.delimiter.join(dialect.padding + cell for cell in quoted)
    return text + dialect.delimiter * dialect.trailing + "\n" * dialect.blank_lines


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(NAMES), boxes()), min_size=1, max_size=6),
    st.permutations(COLUMNS),
    st.sampled_from(HEADERS),
    dialects(),
)
def test_a_table_in_any_dialect(
    rows: list[tuple[str, list[Number]]],
    order: list[str],
    header: Callable[[str], str],
    dialect: Dialect,
) -> None:
    lines = [line([header(name) for name in order], dialect)]
    wanted: dict[str, list[list[float]]] = {}
    for name, box in rows:
        texts = [each.text.replace(".", dialect.decimal) for each in box]
        cells = dict(zip(COLUMNS, [name, *texts, "face"], strict=True))
        lines.append(line([cells[column] for column in order], dialect))
        wanted.setdefault(name, []).append([each.value for each in box])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.csv"
        text = "\n".join(lines).replace("\n", dialect.end)
        path.write_bytes(text.encode(dialect.coding))
        found = read_csv(path, "train", need_images=False)
    values = [value for box in wanted.values() for corners in box for value in corners]
    if max(values) <= 1 and any(value % 1 for value in values):
        return  # shares of images that are not there
    assert [record.name for record in found] == list(wanted)
    for record in found:
        expected = np.array(wanted[record.name], np.float64).astype(np.float32)
        assert np.array_equal(record.boxes_M4, expected)


@given(
    st.lists(st.lists(numbers(0, 1), min_size=4, max_size=4), min_size=1, max_size=5),
    st.lists(st.sampled_from([" ", "\t", "  ", " \t"]), min_size=7, max_size=7),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n", " \n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["{}", "{}.0", "+{}", "0{}"]),
)
def test_labels_in_any_spelling(
    rows: list[list[Number]], blanks: list[str], end: str, coding: str, number: str
) -> None:
    lines = [
        "".join(
            text + blank
            for text, blank in zip(
                [number.format(at), *(each.text for each in row)], blanks[:5], strict=True
            )
        )
        for at, row in enumerate(rows)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes(end.join(lines).encode(coding))
        found = read_labels(path, has_points=False)
    assert [each.number for each in found] == list(range(len(rows)))
    for label, row in zip(found, rows, strict=True):
        x, y, w, h = (each.value for each in row)
        wanted = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
        assert all(map(math.isclose, label.values, [each.value for each in row]))
        np.testing.assert_allclose(label.corners(has_points=False), wanted, atol=1e-12)

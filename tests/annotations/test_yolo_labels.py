from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.annotations.yolo_labels import Label, read_labels, rows_have_points
from nasface.errors import DataError

SETTINGS = Path("data.yaml")
FACE = (0.5, 0.5, 0.1, 0.2)
POINTS = (0.48, 0.45, 0.52, 0.45, 0.5, 0.5, 0.48, 0.55, 0.52, 0.55)
UNKNOWN = (-1.0,) * 10
#: seven points of a small shape
SHAPE = (0.5, 0.4, 0.52, 0.42, 0.54, 0.45, 0.54, 0.5, 0.5, 0.55, 0.46, 0.5, 0.46, 0.45)
#: a face that fills the picture, or seven points in the middle of it
EITHER = (0.5, 0.5, 0.5, 0.6, 0.4, 0.4, 0.6, 0.4, 0.5, 0.5, 0.42, 0.65, 0.58, 0.65)


def label(*values: float) -> Label:
    return Label("a.txt:1", 0, values)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], False),
        ([FACE], False),
        ([(*FACE, *POINTS)], True),
        ([(*FACE, *UNKNOWN)], True),
        ([(*FACE, *POINTS), FACE, (*FACE, *UNKNOWN)], True),
        ([SHAPE], False),
        ([SHAPE, SHAPE[:8]], False),
        ([(*FACE, *POINTS), SHAPE[:8]], False),
    ],
)
def test_polygons_of_seven_points_and_boxes_with_five(
    rows: list[tuple[float, ...]], expected: bool
) -> None:
    labels = [label(*row) for row in rows]
    assert rows_have_points(labels, SETTINGS) is expected


@pytest.mark.parametrize("rows", [[EITHER], [(*FACE, *POINTS), SHAPE]])
def test_rows_that_do_not_tell(rows: list[tuple[float, ...]]) -> None:
    with pytest.raises(DataError, match=r"^data.yaml: .* expected kpt_shape: \[5, 2\]"):
        rows_have_points([label(*row) for row in rows], SETTINGS)


@given(
    st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7), st.floats(0.01, 0.1), st.floats(0.01, 0.1)),
    st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=6),
)
def test_the_box_of_every_row_with_points(box: tuple[float, ...], places: list[float]) -> None:
    x, y, width, height = box
    places = [-0.2, -0.2, 0.2, 0.2, *places]
    points = [(x, y)[at % 2] + place * (width, height)[at % 2] for at, place in enumerate(places)]
    row = label(*box, *points)
    assert rows_have_points([row], SETTINGS)
    corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    assert row.corners(has_points=True) == pytest.approx(corners)
    marked = [value for at in range(5) for value in (*points[2 * at : 2 * at + 2], 2.0)]
    assert label(*box, *marked).corners(has_points=False) == pytest.approx(corners)
    xs, ys = points[::2], points[1::2]
    assert label(*points).corners(has_points=False) == [min(xs), min(ys), max(xs), max(ys)]


def test_places_of_rows(tmp_path: Path) -> None:
    image = tmp_path / "images" / "a.b.jpg"
    (tmp_path / "labels").mkdir()
    assert read_labels(image, has_points=False) == []
    (tmp_path / "labels" / "a.b.txt").write_bytes(
        b"\xef\xbb\xbf0 .5 .5 .1 .2\r\n\r\n1 .5 .5 1 1\r\n"
    )
    first, second = read_labels(image, has_points=False)
    assert first.values == (0.5, 0.5, 0.1, 0.2)
    assert (second.number, second.place) == (1, f"{tmp_path}/labels/a.b.txt:3")

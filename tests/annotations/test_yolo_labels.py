import os
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.annotations.yolo_labels import (
    Label,
    find_labels,
    label_files,
    read_labels,
    rows_have_points,
)
from nasface.errors import DataError

SETTINGS = Path("data.yaml")
FACE = (0.5, 0.5, 0.1, 0.2)
POINTS = (0.48, 0.45, 0.52, 0.45, 0.5, 0.5, 0.48, 0.55, 0.52, 0.55)
UNKNOWN = (-1.0,) * 10
SHAPE = (0.5, 0.4, 0.52, 0.42, 0.54, 0.45, 0.54, 0.5, 0.5, 0.55, 0.46, 0.5, 0.46, 0.45)
"""Seven points of a small shape."""
EITHER = (0.5, 0.5, 0.5, 0.6, 0.4, 0.4, 0.6, 0.4, 0.5, 0.5, 0.42, 0.65, 0.58, 0.65)
"""A face that fills the picture, or seven points in the middle of it."""


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
    assert find_labels([image]) == {}
    (tmp_path / "labels" / "a.b.txt").write_bytes(
        b"\xef\xbb\xbf0 .5 .5 .1 .2\r\n\r\n1 .5 .5 1 1\r\n"
    )
    found = find_labels([image])
    assert found == {image: tmp_path / "labels" / "a.b.txt"}
    first, second = read_labels(found[image], has_points=False)
    assert first.values == (0.5, 0.5, 0.1, 0.2)
    assert (second.number, second.place) == (1, f"{tmp_path}/labels/a.b.txt:3")


NAMES = st.sampled_from(["a.jpg", "A.JPG", "a.png", "b.jpg", "B.jpg", "é.jpg", "e\u0301.jpg"])
LABELS = st.sampled_from(
    ["a.txt", "A.TXT", "A.txt", "b.TXT", "B.txt", "É.txt", "é.txt", "E\u0301.TXT", "c.txt"]
)
FOLDERS = st.sampled_from(
    [("images", "labels"), ("Images", "Labels"), ("IMAGES", "labels"), ("p", "p")]
)


@given(st.sets(NAMES, min_size=1), st.sets(LABELS), FOLDERS)
def test_label_files_are_found_whatever_the_case(
    names: set[str], labels: set[str], folders: tuple[str, str]
) -> None:
    """Against a slow literal reading: the same name, else the only one but for case and accents
    that is no other image's."""
    with TemporaryDirectory() as place:
        images = [Path(place, folders[0], name) for name in sorted(names)]
        (Path(place) / folders[1]).mkdir()
        for name in labels:
            (Path(place) / folders[1] / name).touch()
        there = set(os.listdir(Path(place) / folders[1]))

        def fold(name: str) -> str:
            return unicodedata.normalize("NFC", name).lower()

        own = {name: f"{name[:-4]}.txt" for name in sorted(names) if f"{name[:-4]}.txt" in there}
        if len(set(own.values())) < len(own):
            with pytest.raises(DataError, match="is the label file of"):
                find_labels(images)
            return
        for name in sorted(names - own.keys()):
            near = [each for each in there if fold(each) == fold(f"{name[:-4]}.txt")]
            if len(near) == 1 and near[0] not in own.values():
                own[name] = near[0]
        found = {image.name: path.name for image, path in find_labels(images).items()}
        assert found == own


def test_labels_are_written_beside_folders_called_images() -> None:
    assert next(label_files(Path("x/images/a.jpg"))) == Path("x/labels/a.txt")
    assert next(label_files(Path("x/Images/a.jpg"))) == Path("x/Labels/a.txt")
    assert next(label_files(Path("x/y/a.jpg"))) == Path("x/y/a.txt")

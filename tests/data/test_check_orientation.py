"""Pictures that EXIF turns, and the two ways in which their boxes may be meant."""

import re
from pathlib import Path

import pytest
from checked import BOTH, SHOWN, STORED, Row, kinds, record, write
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nasface.data.check import (
    check_records,
)
from nasface.data.images import read_image, read_orientation
from nasface.data.inspection import ImageFacts
from nasface.progress import Silent


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_are_those_that_images_are_read_by(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    path = write(tmp_path / f"a{suffix}", 120, 80, orientation)
    assert read_orientation(path) == orientation
    facts = ImageFacts(read_image(path, exif=False).shape[:2], read_orientation(path))
    assert facts.size_as("ignore") == (80, 120)
    assert facts.size_as("apply") == read_image(path).shape[:2]


def test_orientations_that_are_none(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "a.tif", tiffinfo={274: 6})
    # OpenCV turns a TIFF whatever it is asked for.
    assert read_image(tmp_path / "a.tif", exif=False).shape == (30, 20, 3)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    paths = [tmp_path / "a.tif", tmp_path / "b.jpg", write(tmp_path / "c.jpg", orientation=17)]
    assert [read_orientation(path) for path in paths] == [1, 1, 1]


@pytest.mark.parametrize(
    ("rows", "exif", "is_problem", "words"),
    [
        ([SHOWN, SHOWN], "ignore", True, r"\(ignore\): 0, .* shown \(apply\): 2; try --exif apply"),
        ([SHOWN, BOTH], "ignore", True, r"\(ignore\): 0, .* shown \(apply\): 1; try --exif apply"),
        ([SHOWN, SHOWN], "apply", False, r"\(ignore\): 0, .* shown \(apply\): 2 \("),
        ([STORED, STORED], "ignore", False, r"\(ignore\): 2, .* shown \(apply\): 0 \("),
        ([STORED, BOTH], "apply", True, r"\(ignore\): 1, .*; try --exif ignore"),
        ([STORED, SHOWN], "ignore", True, r"\(ignore\): 1, .* \(apply\): 1; they do not agree"),
        ([BOTH, BOTH], "ignore", False, "so their sizes do not tell which is right"),
    ],
)
def test_pictures_that_exif_turns(
    tmp_path: Path, rows: list[Row], exif: str, is_problem: bool, words: str
) -> None:
    records = [
        record(write(tmp_path / f"{at}.jpg", orientation=6 + 2 * at), [row], exif=exif)
        for at, row in enumerate(rows)
    ]
    check = check_records(records, Silent())
    (found,) = [each for each in check.findings if each.kind == "turned"]
    assert (found.is_problem, found.count, found.images) == (is_problem, 2, ("0.jpg", "1.jpg"))
    assert re.search(words, str(found))


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A picture of 120 x 80 pixels, as stored, of every orientation."""
    folder = tmp_path_factory.mktemp("turned")
    return {each: write(folder / f"{each}.jpg", orientation=each) for each in range(1, 9)}


tens = st.integers(0, 8).map(lambda number: 10.0 * number)


@given(
    st.lists(
        st.tuples(st.integers(1, 8), st.lists(st.tuples(tens, tens, tens, tens), max_size=3)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["apply", "ignore"]),
)
def test_which_of_the_two_ways_boxes_fit(
    turned: dict[int, Path], drawn: list[tuple[int, list[Row]]], exif: str
) -> None:
    """All boxes of an image inside 120 x 80, or inside 80 x 120 where it is turned on its side."""
    records = [record(turned[orientation], rows, exif=exif) for orientation, rows in drawn]
    found = [each for each in check_records(records, Silent()).findings if each.kind == "turned"]
    sideways = {each: (80, 120) if each >= 5 else (120, 80) for each in range(1, 9)}
    stored = shown = 0
    for orientation, rows in drawn:
        faces = [row for row in rows if row[2] > 0 and row[3] > 0]
        fits = [
            all(x + w <= width and y + h <= height for x, y, w, h in faces)
            for width, height in ((120, 80), sideways[orientation])
        ]
        stored += orientation != 1 and fits == [True, False]
        shown += orientation != 1 and fits == [False, True]
    count = sum(orientation != 1 for orientation, _ in drawn)
    if not count:
        assert found == []
        return
    assert found[0].count == count
    assert f"as stored (ignore): {stored}, only as shown (apply): {shown}" in str(found[0])


def test_pictures_upside_down_do_not_tell(tmp_path: Path) -> None:
    check = check_records([record(write(tmp_path / "a.jpg", orientation=3), [BOTH])], Silent())
    assert kinds(check) == {"turned": (False, 1)}
    assert "do not tell" in str(check.findings[0])

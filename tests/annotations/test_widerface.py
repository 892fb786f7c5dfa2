import os
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nasface.annotations.widerface import (
    ATTRIBUTES,
    parse_wider_annotations,
    read_wider_split,
    split_halves,
    write_wider_annotations,
)
from nasface.errors import DataError, OutputError

ZEROS = "0 0 0 0 0 0 0 0 0 0"
BARE_SPLIT = f"""e/two faces.jpg
2
1 2 30 40 2 1 0 0 1 1
5 6 7 8 0 0 1 1 2 0
e/none_val.jpg
1
{ZEROS}
e/none_train.jpg
0
{ZEROS}
e/none_bare.jpg
0
e/flat.jpg
3
10 20 0 5 0 0 0 0 0 0
10 20 5 -2 0 0 0 0 0 0
10 20 5 2 0 0 0 0 0 0
"""
# The official files end each row, and nothing else, with a space.
SPLIT = re.sub(r"( \d)\n", r"\1 \n", BARE_SPLIT)


def as_lists(entries: list[tuple[str, NDArray[np.int64]]]) -> list[tuple[str, list[list[int]]]]:
    return [(name, rows.tolist()) for name, rows in entries]


def make_split(root: Path, text: str | bytes, absent: frozenset[str] = frozenset()) -> Path:
    data = text if isinstance(text, bytes) else text.encode()
    (root / "wider_face_split").mkdir(parents=True)
    (root / "wider_face_split" / "wider_face_train_bbx_gt.txt").write_bytes(data)
    images = root / "WIDER_train" / "images"
    images.mkdir(parents=True)
    for line in data.decode(errors="ignore").splitlines():
        if line.strip().endswith(".jpg") and line.strip() not in absent:
            path = images / line.strip().removeprefix("\ufeff")
            path.parent.mkdir(exist_ok=True)
            path.touch()
    return root


def test_split_is_read_with_every_form_of_an_empty_image(tmp_path: Path) -> None:
    records = read_wider_split(make_split(tmp_path, SPLIT), "train")
    assert [record.name for record in records] == [
        "e/two faces.jpg",
        "e/none_val.jpg",
        "e/none_train.jpg",
        "e/none_bare.jpg",
        "e/flat.jpg",
    ]
    two, *empty, flat = records
    assert two.path == tmp_path / "WIDER_train" / "images" / "e" / "two faces.jpg"
    assert two.boxes_M4.dtype == np.float32
    assert two.boxes_M4.tolist() == [[1, 2, 31, 42], [5, 6, 12, 14]]
    assert {key: values.tolist() for key, values in two.attributes.items()} == {
        "blur": [2, 0],
        "expression": [1, 0],
        "illumination": [0, 1],
        "invalid": [0, 1],
        "occlusion": [1, 2],
        "pose": [1, 0],
    }
    assert two.attributes["pose"].dtype == np.int64
    assert two.valid_M.tolist() == [True, False]
    for record in empty:
        assert record.boxes_M4.shape == (0, 4)
        assert all(record.attributes[key].shape == (0,) for key in ATTRIBUTES)
        assert record.valid_M.shape == (0,)
    assert flat.boxes_M4.tolist() == [[10, 20, 10, 25], [10, 20, 15, 20], [10, 20, 15, 22]]
    assert flat.valid_M.tolist() == [False, False, True]


@pytest.mark.parametrize(
    "variant",
    [
        SPLIT.replace("\n", "\r\n"),
        SPLIT.rstrip(),
        "\ufeff" + SPLIT,
        BARE_SPLIT,
        SPLIT.replace("\n", " \t\n"),
        SPLIT.replace("e/", "\ne/") + "\n\n",
    ],
    ids=["crlf", "no final newline", "byte order mark", "no spaces", "more spaces", "empty lines"],
)
def test_forms_of_the_same_text_read_alike(variant: str) -> None:
    expected = as_lists(parse_wider_annotations(SPLIT, "a"))
    assert as_lists(parse_wider_annotations(variant, "b")) == expected


def test_zero_row_among_others_keeps_its_index() -> None:
    ((_, rows),) = parse_wider_annotations(f"a.jpg\n2\n{ZEROS}\n1 1 2 2 0 0 0 0 0 0\n", "t")
    assert rows[:, 0].tolist() == [0, 1]


ROW = "1 2 3 4 0 0 0 0 0 0"


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (f"a.jpg\n1\n{ROW}\nb.jpg\n", 5, "number of faces"),
        (f"a.jpg\nmany\n{ROW}\n", 2, "number of faces"),
        (f"a.jpg\n-1\n{ROW}\n", 2, "number of faces"),
        (f"a.jpg\n2\n{ROW}\n", 4, "row 2 of 2"),
        (f"a.jpg\n999999999\n{ROW}", 4, "row 2 of 999999999"),
        (f"a.jpg\n2\n{ROW}\nb.jpg\n1\n{ROW}\n", 4, "row 2 of 2"),
        (f"a.jpg\n1\n{ROW}\n{ROW}\n", 4, "image name"),
        (f"a.jpg\n0\n{ROW}\n", 3, "image name"),
        ("a.jpg\n1\n1 2 3 4 0 0 0 0 0\n", 3, "10 integers"),
        (f"a.jpg\n1\n{ROW} 0\n", 3, "10 integers"),
        ("a.jpg\n1\n1 2 3.5 4 0 0 0 0 0 0\n", 3, "10 integers"),
        ("a.jpg\n1\n1 2 99999999999999999999 4 0 0 0 0 0 0\n", 3, "10 integers"),
        ("a.jpg\n1\n1 2 1_0 4 0 0 0 0 0 0\n", 3, "10 integers"),
        (f"a.jpg\n1\n{ROW}\na.jpg\n1\n{ROW}\n", 4, "line 1"),
        ("a.txt\n0\n", 1, "image name"),
        ("/a.jpg\n0\n", 1, "relative"),
        ("../a.jpg\n0\n", 1, "relative"),
        ("e/../../a.jpg\n0\n", 1, "relative"),
        ("e//a.jpg\n0\n", 1, "relative"),
        ("e\\..\\a.jpg\n0\n", 1, "relative"),
        ("C:/a.jpg\n0\n", 1, "relative"),
        ("a\x00b.jpg\n0\n", 1, "image name"),
    ],
)
def test_malformed_text_is_refused_with_its_line(text: str, line: int, expected: str) -> None:
    with pytest.raises(DataError, match=expected) as caught:
        parse_wider_annotations(text, "gt.txt")
    assert f"gt.txt:{line}: " in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(deadline=None)
@given(
    st.integers(0, len(SPLIT)),
    st.integers(0, 12),
    st.text(st.sampled_from("0123456789 -\n\r\t./\\ejpg\ufeff\x00é\ud800"), max_size=6),
)
def test_mutated_text_raises_data_error_or_parses(start: int, cut: int, put: str) -> None:
    try:
        entries = parse_wider_annotations(SPLIT[:start] + put + SPLIT[start + cut :], "t")
    except DataError:
        return
    assert all(rows.shape[1] == 10 and rows.dtype == np.int64 for _, rows in entries)


part = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\:\ufeff"), min_size=1
).filter(lambda text: text == text.strip() and text not in (".", ".."))
names = st.lists(part, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + "_.jpg")
value = st.integers(-(10**9) + 1, 10**9 - 1)
face_rows = st.lists(st.lists(value, min_size=10, max_size=10), max_size=4).filter(
    lambda rows: rows != [[0] * 10]
)


@settings(deadline=None)
@given(st.dictionaries(names, face_rows, max_size=5))
def test_what_is_written_is_read_back(entries: dict[str, list[list[int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gt.txt"
        write_wider_annotations(
            path, ((n, np.array(r, np.int64).reshape(-1, 10)) for n, r in entries.items())
        )
        read = parse_wider_annotations(path.read_bytes().decode(), str(path))
    assert as_lists(read) == list(entries.items())


def test_written_text_is_the_official_form(tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    rows = np.array([[1, 2, 3, 4, 0, 1, 0, 1, 2, 0]])
    write_wider_annotations(path, [("e/a.jpg", rows), ("e/b.jpg", rows[:0])])
    assert path.read_bytes() == (
        b"e/a.jpg\n1\n1 2 3 4 0 1 0 1 2 0 \ne/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"
    )
    assert os.listdir(tmp_path) == ["gt.txt"]


@pytest.mark.parametrize(
    "name", ["a\nb.jpg", "a\u2028b.jpg", " a.jpg", "../a.jpg", "a.txt", "\ufeffa.jpg"]
)
def test_names_that_cannot_be_read_back_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="is no image name"):
        write_wider_annotations(tmp_path / "gt.txt", [(name, np.zeros((0, 10), np.int64))])
    assert not list(tmp_path.iterdir())


def test_bad_rows_and_repeated_names_are_not_written(tmp_path: Path) -> None:
    empty = np.zeros((0, 10), np.int64)
    with pytest.raises(DataError, match=r"'a\.jpg' occurs twice"):
        write_wider_annotations(tmp_path / "gt.txt", [("a.jpg", empty), ("a.jpg", empty)])
    for rows in (np.zeros((1, 4), np.int64), np.full((1, 10), 10**9)):
        with pytest.raises(ValueError, match="rows must"):
            write_wider_annotations(tmp_path / "gt.txt", [("a.jpg", rows)])
    with pytest.raises(OutputError, match="cannot be written"):
        write_wider_annotations(tmp_path / "absent" / "gt.txt", [("a.jpg", empty)])


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent: does not exist"):
        read_wider_split(tmp_path / "absent", "train")
    with pytest.raises(DataError, match=r"wider_face_train_bbx_gt\.txt: does not exist"):
        read_wider_split(tmp_path, "train")
    make_split(tmp_path, "")
    with pytest.raises(DataError, match=r"wider_face_val_bbx_gt\.txt: does not exist"):
        read_wider_split(tmp_path, "val")
    with pytest.raises(DataError, match=r"gt\.txt: is empty, expected at least one image"):
        read_wider_split(tmp_path, "train")
    (tmp_path / "WIDER_train" / "images").rmdir()
    with pytest.raises(DataError, match="images: does not exist"):
        read_wider_split(tmp_path, "train")


def test_first_missing_image_and_their_count_are_named(tmp_path: Path) -> None:
    make_split(tmp_path, SPLIT, absent=frozenset({"e/none_val.jpg", "e/flat.jpg"}))
    with pytest.raises(DataError, match=r"none_val\.jpg: .* 2 of the 5"):
        read_wider_split(tmp_path, "train")


def test_a_name_too_long_for_the_disk_is_a_missing_image(tmp_path: Path) -> None:
    make_split(tmp_path, "")
    text = "x" * 5000 + ".jpg\n0\n"
    (tmp_path / "wider_face_split" / "wider_face_train_bbx_gt.txt").write_text(text)
    with pytest.raises(DataError, match="1 of the 1"):
        read_wider_split(tmp_path, "train")


def test_bytes_that_are_no_text_are_named_by_line(tmp_path: Path) -> None:
    make_split(tmp_path, b"a.jpg\n0\n\xff\xfe.jpg\n0\n")
    with pytest.raises(DataError, match=r"gt\.txt:3: is not UTF-8"):
        read_wider_split(tmp_path, "train")


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 2**32))
def test_halves_are_disjoint_complete_and_repeatable(length: int, seed: int) -> None:
    first, second = split_halves(range(length), seed)
    assert sorted(first + second) == list(range(length))
    assert len(first) - len(second) in (0, 1)
    assert (first, second) == (sorted(first), sorted(second))
    assert split_halves(range(length), seed) == (first, second)


def test_halves_depend_on_the_seed() -> None:
    assert len({tuple(split_halves(range(40), seed)[0]) for seed in range(5)}) == 5


def test_real_data_has_its_published_counts(nasface_data: Path) -> None:
    records = read_wider_split(nasface_data / "widerface", "val")
    faces = sum(len(record.boxes_M4) for record in records)
    assert all(record.path.is_file() for record in records)
    # The complete split and the part of it at native resolution that development uses.
    assert (len(records), faces) in {(3226, 39704), (176, 2234)}

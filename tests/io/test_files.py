from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.errors import DataError
from nasface.io.files import decode_text, read_text, write_text

CODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n\0\ufeff", exclude_categories=["Cs"]))),
    st.sampled_from(CODINGS),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_marks_and_line_ends_do_not_matter(lines: list[str], coding: str, end: str) -> None:
    mark = "\ufeff" if coding[-3:] in ("-le", "-be") else ""
    data = (mark + end.join(lines)).encode(coding)
    assert decode_text(data, "a.txt", DataError, "rows").split("\n") == (lines or [""])


def test_files_that_were_joined_have_marks_inside() -> None:
    data = "\ufeffa\r\n\ufeffb\ufeff\r\n".encode()
    assert decode_text(data, "a.txt", DataError, "rows") == "a\nb\ufeff\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nb\xff\n", r"a\.txt:2: is not UTF-8 text, expected rows"),
        (b"\xef\xbb\xbfa\n\nb\xff\n", r"a\.txt:3: is not UTF-8 text"),
        (b"\xff\xfea\0\n\0b", r"a\.txt:2: is not UTF-16 text"),
        (b"\xfe\xff\0a\xd8", r"a\.txt:1: is not UTF-16 text"),
    ],
)
def test_what_is_no_text_is_named_by_its_line(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_text(tmp_path / "a.txt", DataError, "rows")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt: cannot read rows: No such file"):
        read_text(tmp_path / "none.txt", DataError, "rows")


def test_a_name_of_any_length_that_the_file_system_takes(tmp_path: Path) -> None:
    """The draft, which has a longer name, must not be what is too long."""
    for length in (240, 251, 255):
        write_text(tmp_path / ("é" * (length // 2 - 2) + "." * (length % 2) + ".txt"), "text")
    assert {path.read_text() for path in tmp_path.iterdir()} == {"text"}
    with pytest.raises(OSError, match="too long"):
        write_text(tmp_path / ("a" * 256), "text")
    assert len(list(tmp_path.iterdir())) == 3

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nasface.data.detections import parse_detections, read_detections, write_detections
from nasface.errors import DataError

GOOD = b"0_Parade_1\n2\n1 2 3 4 0.5\n5.5 6 7 8 1e-3\n"


def test_rows_of_a_file() -> None:
    rows = parse_detections(GOOD, "a.txt")
    assert rows.tolist() == [[1, 2, 3, 4, 0.5], [5.5, 6, 7, 8, 0.001]]
    assert parse_detections(b"name\n0\n", "a.txt").shape == (0, 5)
    assert parse_detections(GOOD.replace(b"\n", b" \r\n"), "a.txt").shape == (2, 5)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", "a.txt:1"),
        (b"name\n", "a.txt:2"),
        (b"name\nmany\n", "a.txt:2"),
        (b"name\n-1\n", "a.txt:2"),
        (b"name\n2\n1 2 3 4 0.5\n", "a.txt:3"),
        (b"name\n1\n1 2 3 4 0.5\n1 2 3 4 0.5\n", "a.txt:4"),
        (b"name\n2\n1 2 3 4 0.5\n1 2 3 4\n", "a.txt:4"),
        (b"name\n2\n1 2 3 4 x\n1 2 3 4 0.5\n", "a.txt:3"),
        (b"name\n2\n1 2 3 4 0.5\n1 2 nan 4 0.5\n", "a.txt:4"),
        (b"name\n1\n1 2 3 4 0.5 6\n", "a.txt:3"),
        (b"name\n1\n\xff 2 3 4 0.5\n", "a.txt:3"),
    ],
)
def test_a_malformed_file_names_its_line(data: bytes, place: str) -> None:
    with pytest.raises(DataError, match=rf"^{place}\b"):
        parse_detections(data, "a.txt")


@given(arrays(np.float32, (3, 5), elements=st.floats(-1e6, 1e6, width=32)))
def test_rows_of_float32_come_back_to_the_last_digit(
    tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp("d")
    path = write_detections(folder, "0--Parade/a.b_1", rows)
    assert path == folder / "0--Parade" / "a.b_1.txt"
    found = read_detections(folder)["0--Parade/a.b_1"].astype(np.float32)
    np.testing.assert_array_equal(found, rows)


def test_an_archive_reads_as_its_folder(tmp_path: Path) -> None:
    for name in ("0--Parade/a", "0--Parade/b", "1--Riot/c"):
        write_detections(tmp_path / "txt", name, np.ones((2, 5), np.float32))
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "txt", "some/where")
    found = read_detections(tmp_path / "all.tar.gz")
    assert list(found) == ["0--Parade/a", "0--Parade/b", "1--Riot/c"]
    assert found.keys() == read_detections(tmp_path / "txt").keys()


def test_a_malformed_member_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("set/0--Parade/a.txt")
        member.size = 7
        archive.addfile(member, io.BytesIO(b"name\n1\n"))
    with pytest.raises(DataError, match=r"a\.tar: set/0--Parade/a\.txt:2: 0 rows"):
        read_detections(tmp_path / "a.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("name", ["../../0--Parade/a.txt", "/0--Parade/a.txt", "a/../b/c.txt"])
def test_members_that_climb_out_are_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 7
        archive.addfile(member, io.BytesIO(b"name\n0\n"))
    with pytest.raises(DataError, match="expected a relative path"):
        read_detections(tmp_path / "a.tar")


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("name\n1\n1 2 3 4 0.5\n")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("e/a.txt", tarfile.SYMTYPE), ("e/b.txt", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(tmp_path / "secret.txt")
            archive.addfile(member)
    with pytest.raises(DataError, match="holds no file"):
        read_detections(tmp_path / "a.tar")


def test_what_holds_no_detections(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_detections(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"holds no file event/name\.txt"):
        read_detections(tmp_path)
    (tmp_path / "a.tar.gz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="is no tar archive"):
        read_detections(tmp_path / "a.tar.gz")


def test_an_image_twice(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_detections(tmp_path / folder, "event/a", np.ones((1, 5), np.float32))
    with pytest.raises(DataError, match="'event/a' occurs before"):
        read_detections(tmp_path)

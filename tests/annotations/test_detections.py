import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nasface.annotations.detections import (
    ScoredBoxes,
    named_boxes,
    parse_detections,
    read_detections,
    write_detections,
)
from nasface.errors import DataError

GOOD = b"0_Parade_1\n2\n1 2 3 4 0.5\n5.5 6 7 8 1e-3\n"


def boxes(count: int, at: float = 1.0) -> ScoredBoxes:
    """So many detections at a place."""
    return ScoredBoxes.of_rows(np.full((count, 5), at, np.float32))


def test_rows_of_a_file() -> None:
    rows = parse_detections(GOOD, "a.txt").as_rows()
    assert rows.tolist() == [[1, 2, 3, 4, 0.5], [5.5, 6, 7, 8, 0.001]]
    assert parse_detections(b"name\n0\n", "a.txt").boxes_N4.shape == (0, 4)
    assert parse_detections(GOOD.replace(b"\n", b" \r\n"), "a.txt").boxes_N4.shape == (2, 4)


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


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", " \r\n"])
def test_files_of_any_system_read_alike(coding: str, end: str) -> None:
    text = GOOD.decode().replace("\n", end)
    mark = "\ufeff" if coding == "utf-16-be" else ""
    found, wanted = (
        parse_detections((mark + text).encode(coding), "a.txt"),
        parse_detections(GOOD, "a.txt"),
    )
    np.testing.assert_array_equal(found.boxes_N4, wanted.boxes_N4)
    np.testing.assert_array_equal(found.scores_N, wanted.scores_N)


def test_characters_that_only_unicode_calls_line_ends_are_none() -> None:
    name = "a\x85b\u2028c\x0bd"
    assert parse_detections(f"{name}\n1\n1 2 3 4 0.5\n".encode(), "a.txt").boxes_N4.shape == (1, 4)


@given(
    arrays(np.float32, (3, 2, 2), elements=st.floats(0, 1e6, width=32)),
    arrays(np.float32, 3, elements=st.floats(-1e6, 1e6, width=32)),
)
def test_boxes_of_float32_come_back_to_the_last_digit(
    tmp_path_factory: pytest.TempPathFactory, corners: np.ndarray, scores: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp("d")
    written = np.sort(corners, axis=1).reshape(3, 4)
    path = write_detections(folder, "0--Parade/a.b_1.png", ScoredBoxes(written, scores))
    assert path == folder / "0--Parade" / "a.b_1.txt"
    found = read_detections(folder, ["0--Parade/a.b_1.png"])["0--Parade/a.b_1.png"]
    np.testing.assert_array_equal(found.boxes_N4.astype(np.float32), written)
    np.testing.assert_array_equal(found.scores_N.astype(np.float32), scores)


PARTS = st.text("ab.-_ 1é", min_size=1, max_size=4).filter(
    lambda part: part.strip(". ") == part and not part.startswith(".")
)
STEMS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
SUFFIXES = st.sampled_from([".jpg", ".JPG", ".jpeg", ".png", ".PNG", ".webp", ".tif"])


def pack(folder: Path, form: str, target: Path) -> Path:
    """A folder as it is, or in an archive."""
    if form == "folder":
        return folder
    if form == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            for path in sorted(folder.rglob("*.txt")):
                archive.write(path, path.relative_to(folder))
    else:
        with tarfile.open(target, "w:gz") as tar:
            for path in sorted(folder.rglob("*.txt")):
                tar.add(path, path.relative_to(folder))
    return target


@settings(max_examples=60, deadline=None)
@given(
    stems=st.lists(STEMS, min_size=1, max_size=6, unique=True),
    suffixes=st.lists(SUFFIXES, min_size=6, max_size=6),
    above=st.lists(st.sampled_from(["results", "some", "where"]), max_size=3),
    form=st.sampled_from(["folder", "tar", "zip"]),
)
def test_names_of_any_depth_and_suffix_are_found(
    tmp_path_factory: pytest.TempPathFactory,
    stems: list[str],
    suffixes: list[str],
    above: list[str],
    form: str,
) -> None:
    """Each image gets the rows that were written for it, whatever folders lie above."""
    place = tmp_path_factory.mktemp("d")
    names = [stem + suffix for stem, suffix in zip(stems, suffixes, strict=False)]
    top = place.joinpath("txt", *above)
    for at, name in enumerate(names):
        write_detections(top, name, boxes(1, at))
    found = read_detections(pack(place / "txt", form, place / "packed"), names)
    assert {name: each.boxes_N4[0, 0] for name, each in found.items()} == {
        name: at for at, name in enumerate(names)
    }


@pytest.mark.parametrize("names", [("e/a.jpg", "e/a.png"), ("e/a.jpg", "e/a.JPG")])
def test_images_that_differ_in_their_suffix_only_are_refused(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    write_detections(tmp_path, names[0], boxes(1))
    with pytest.raises(DataError, match=r"'e/a\.jpg' .*are both 'e/a'|'e/a\.JPG' .*both 'e/a'"):
        read_detections(tmp_path, names)


def test_a_file_may_be_named_after_the_whole_name(tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "a.png.txt").write_bytes(GOOD)
    assert list(read_detections(tmp_path, ["e/a.png"])) == ["e/a.png"]


def test_detections_of_no_image(tmp_path: Path) -> None:
    write_detections(tmp_path, "event/a.jpg", boxes(2))
    (tmp_path / "readme.txt").write_text("a note, not detections")
    write_detections(tmp_path, "event/b.jpg", boxes(1))
    assert list(read_detections(tmp_path, ["event/b.jpg"])) == ["event/a", "event/b.jpg"]
    with pytest.raises(DataError, match=r"no image .*'event/a' is none, .* such as 'other/c'"):
        read_detections(tmp_path, ["other/c.jpg"])


def test_an_archive_reads_as_its_folder(tmp_path: Path) -> None:
    names = ["0--Parade/a.jpg", "0--Parade/b.jpg", "1--Riot/c.jpg"]
    for name in names:
        write_detections(tmp_path / "txt", name, boxes(2))
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "txt", "some/where")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for path in sorted((tmp_path / "txt").rglob("*.txt")):
            packed.write(path, "some\\where\\" + "\\".join(path.parts[-2:]))
        packed.writestr("__MACOSX/0--Parade/._a.txt", b"\0")
    for file in ("all.tar.gz", "all.zip", "txt"):
        assert list(read_detections(tmp_path / file, names)) == names, file


def test_a_malformed_member_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("set/0--Parade/a.txt")
        member.size = 7
        archive.addfile(member, io.BytesIO(b"name\n1\n"))
    with pytest.raises(DataError, match=r"a\.tar: set/0--Parade/a\.txt:2: 0 rows"):
        read_detections(tmp_path / "a.tar", ["0--Parade/a.jpg"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_notes_beside_the_detections(tmp_path: Path) -> None:
    for name in ("readme.txt", "code/requirements.txt", "0--Parade/log.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("torch\nnumpy\n")
    (tmp_path / "0--Parade/a.txt").write_text("a\n1\n1 2 3 4 0.5\n")
    assert list(read_detections(tmp_path, ["0--Parade/a.jpg"])) == ["0--Parade/a.jpg"]
    with pytest.raises(DataError, match=r"log\.txt:2: expected the image's name"):
        read_detections(tmp_path, ["0--Parade/a.jpg", "0--Parade/log.jpg"])


@pytest.mark.parametrize("name", ["../../0--Parade/a.txt", "/0--Parade/a.txt", "a/../b/c.txt"])
def test_members_that_climb_out_are_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 7
        archive.addfile(member, io.BytesIO(b"name\n0\n"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(zipfile.ZipInfo(name), "name\n0\n")
    for file in ("a.tar", "a.zip"):
        with pytest.raises(DataError, match="expected a relative path"):
            read_detections(tmp_path / file, ["0--Parade/a.jpg"])


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("name\n1\n1 2 3 4 0.5\n")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("e/a.txt", tarfile.SYMTYPE), ("e/b.txt", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(tmp_path / "secret.txt")
            archive.addfile(member)
    with pytest.raises(DataError, match="holds no file"):
        read_detections(tmp_path / "a.tar", ["e/a.jpg"])


def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("e/a.txt", b"name\n0\n" + b" " * 2**26)
    assert (tmp_path / "a.zip").stat().st_size < 100_000
    with pytest.raises(DataError, match=r"a\.zip: e/a\.txt: has 67108871 bytes, expected at most"):
        read_detections(tmp_path / "a.zip", ["e/a.jpg"])


def test_what_holds_no_detections(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_detections(tmp_path / "nothing", ["event/a.jpg"])
    with pytest.raises(DataError, match=r"holds no file of detections such as 'event/a\.txt'"):
        read_detections(tmp_path, ["event/a.jpg"])
    for data in (b"no archive", b"PK\x03\x04 no archive", b""):
        (tmp_path / "a.tar.gz").write_bytes(data)
        with pytest.raises(DataError, match="is no tar or zip archive"):
            read_detections(tmp_path / "a.tar.gz", ["event/a.jpg"])


def test_an_image_twice(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_detections(tmp_path / folder, "event/a.jpg", boxes(1))
    with pytest.raises(DataError, match=r"'event/a\.jpg' occurs before, in .*one/event/a\.txt"):
        read_detections(tmp_path, ["event/a.jpg"])


def test_suffixes_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "a.TXT").write_bytes(GOOD)
    assert list(read_detections(tmp_path, ["e/a.jpg"])) == ["e/a.jpg"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("top/e/a.TXT", GOOD)
    assert list(read_detections(tmp_path / "a.zip", ["e/a.jpg"])) == ["e/a.jpg"]


@pytest.mark.parametrize(
    "start", [b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"PK\x03\x04", b"\x1f\x8b", b"e/a\n"]
)
def test_other_archives_are_refused_in_a_whole_sentence(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a").write_bytes(start + bytes(40))
    with pytest.raises(DataError) as caught:
        read_detections(tmp_path / "a", ["e/a.jpg"])
    said = str(caught.value)
    assert "is no tar or zip archive that can be read" in said
    assert said.endswith("; expected a folder, a .zip or a .tar, compressed or not")
    assert "method" not in said


NAMED = {"e/a.jpg": (np.array([[1, 2, 3, 4]]), np.array([0.5]))}


@pytest.mark.parametrize(
    "value",
    [
        ScoredBoxes(np.array([[1.0, 2, 3, 4]]), np.array([0.5])),
        ([[1, 2, 3, 4]], [0.5]),
        (np.array([[1, 2, 3, 4]], np.float32), np.array([0.5], np.float16)),
    ],
)
def test_detections_of_a_program(value: Any) -> None:
    found = named_boxes({"e/a.jpg": value, "e/b.jpg": ([], [])}, ["e/a.jpg", "e/b.jpg"])
    assert found["e/a.jpg"].boxes_N4.tolist() == [[1, 2, 3, 4]]
    assert found["e/a.jpg"].scores_N.tolist() == [0.5]
    assert found["e/b.jpg"].boxes_N4.shape == (0, 4)
    assert named_boxes({}, ["e/a.jpg"]) == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((2, 5)), "detections of 'e/a.jpg': expected boxes"),
        (([[1, 2, 3]], [0.5]), "expected boxes x1 y1 x2 y2"),
        (([[1, 2, 3, 4]], [0.5, 0.5]), "expected boxes"),
        (([[1, 2, 3, np.nan]], [0.5]), "all of them finite"),
        (([[1, 2, 3, 4]], [np.inf]), "all of them finite"),
        ([[1, 2, 3, 4]], "expected boxes"),
        (None, "expected boxes"),
        (([["a", 2, 3, 4]], [0.5]), "expected boxes"),
    ],
)
def test_other_values_of_a_program_are_refused(value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        named_boxes({"e/a.jpg": value}, ["e/a.jpg"])


def test_detections_of_no_image_of_the_data_are_refused() -> None:
    with pytest.raises(DataError, match=r"'e/a\.jpg' is none, expected names such as 'e/a\.png'"):
        named_boxes(NAMED, ["e/a.png"])

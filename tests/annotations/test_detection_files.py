"""Sets of detections as systems and programs pack them."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.annotations.detection_files import is_archive, text_files
from nasface.annotations.detections import read_detections
from nasface.annotations.names import ImageNames
from nasface.errors import DataError

FILES = {
    "pred/0--Parade/a.txt": b"a\n0\n",
    "pred/0--Parade/b.jpg.txt": b"b\n0\n",
    "pred/0--Parade/.c.txt": b".c\n0\n",
}
IMAGES = ImageNames(f"0--Parade/{name}.jpg" for name in ("a", "b", ".c"))
MAC = {"__MACOSX/pred/0--Parade/._a.txt": b"\0\5\x16\7", "pred/.DS_Store": b"\0"}


def a_zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)


def a_tar(mode: str, front: str = "") -> Callable[[Path, dict[str, bytes]], None]:
    def write(path: Path, files: dict[str, bytes]) -> None:
        with tarfile.open(path, mode) as packed:  # type: ignore[call-overload]
            for name, data in files.items():
                member = tarfile.TarInfo(front + name)
                member.size = len(data)
                packed.addfile(member, io.BytesIO(data))

    return write


def windows_zip(path: Path, files: dict[str, bytes]) -> None:
    """With the separator of Windows."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in files.items():
            member = zipfile.ZipInfo("x")
            member.filename = name.replace("/", "\\")
            packed.writestr(member, data)


def a_folder(path: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (a_zip, "results.zip"),
        (a_zip, "results.ZIP"),
        (windows_zip, "results.zip"),
        (a_tar("w"), "results.tar"),
        (a_tar("w", "./"), "results.tar"),
        (a_tar("w:gz"), "results.tgz"),
        (a_tar("w:bz2"), "results.tar.bz2"),
        (a_tar("w:xz"), "results.tar.xz"),
        (a_folder, "results"),
    ],
)
def test_files_of_every_form(
    tmp_path: Path, write: Callable[[Path, dict[str, bytes]], None], name: str
) -> None:
    path = tmp_path / name
    write(path, {**MAC, **FILES, "pred/0--Parade/a.jpg": b"\xff\xd8"})
    assert is_archive(path) is not path.is_dir()
    found = {name: data for name, data, _ in text_files(path, IMAGES)}
    assert found == {name.removesuffix(".txt"): data for name, data in FILES.items()}


def test_names_in_an_archive_of_macos(tmp_path: Path) -> None:
    """They are in UTF-8, and the archive does not say so."""
    path = tmp_path / "results.zip"
    name, written = "pred/e/ä 한.txt", "pred/e/" + "?" * 6 + ".txt"
    a_zip(path, {written: b"a\n0\n"})
    path.write_bytes(path.read_bytes().replace(written.encode(), name.encode()))
    images = ImageNames(["e/ä 한.jpg"])
    assert [name for name, _, _ in text_files(path, images)] == ["pred/e/ä 한"]


@pytest.mark.parametrize("start", [b"Rar!\x1a\x07\0", b"7z\xbc\xaf\x27\x1c", b"", b"\x89PNG"])
def test_other_archives(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "results.rar"
    path.write_bytes(start + bytes(40 * bool(start)))
    assert not is_archive(path)
    with pytest.raises(DataError, match=r"rar: is no tar or zip archive .*; expected a folder"):
        list(text_files(path, IMAGES))
    with pytest.raises(DataError, match="none: does not exist, expected a folder"):
        text_files(tmp_path / "none", IMAGES)


PARTS = st.sampled_from(["0--Parade", "a.b", "1", "x y", "é", "_-_", "A"])
STEMS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
BESIDE = {
    "README.md": b"# of a folder",
    "notes.txt": b"0.5 is the threshold",
    "__MACOSX/._a.txt": b"\0\5\x16\7",
    ".DS_Store": b"\0",
    "e/.hidden.txt": b"none",
    "e/a.jpg": b"\xff\xd8",
    "e/curve.csv": b"1,2",
}
"""What lies beside detections -> its content."""
Rows = list[tuple[int, int, int, int, float]]
ROWS: st.SearchStrategy[list[Rows]] = st.lists(
    st.lists(
        st.tuples(*[st.integers(0, 500)] * 4, st.integers(0, 64).map(lambda number: number / 64)),
        max_size=3,
    ),
    min_size=5,
    max_size=5,
)
COMPRESSED = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}
TARS = {"tar": "w", "gz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}


def pack(path: Path, form: str, members: list[tuple[str, bytes]], front: str, back: bool) -> None:
    """Write members in their order, as a program might that lists folders, too, or begins names
    with ``./``, or writes the separator of Windows."""
    if form in COMPRESSED:
        with zipfile.ZipFile(path, "w", COMPRESSED[form]) as packed:
            for name, data in members:
                member = zipfile.ZipInfo("x")
                member.filename = (front + name).replace("/", "\\") if back else front + name
                packed.writestr(member, data, COMPRESSED[form])
            packed.writestr("empty/", b"")
        return
    with tarfile.open(path, TARS[form]) as tar:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("empty")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, data in members:
            info = tarfile.TarInfo(front + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def slow_reading(path: Path, names: list[str]) -> dict[str, list[list[float]]]:
    """Unpack an archive as the standard library does, and look for the file of each image among all
    of them."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            files = {name: packed.read(name) for name in packed.namelist()}
    else:
        with tarfile.open(path) as tar:
            opened = [(each.name, tar.extractfile(each)) for each in tar]
            files = {name: file.read() for name, file in opened if file is not None}
    found = {}
    for name in names:
        endings = [f"/{name.rpartition('.')[0]}.txt", f"/{name}.txt"]
        for member, data in files.items():
            place = ("/" + member.replace("\\", "/")).lower()
            if any(place.endswith(ending.lower()) for ending in endings):
                lines = data.decode("utf-8-sig").split()
                count = int(lines[1])
                numbers = [float(word) for word in lines[2:]]
                assert len(numbers) == 5 * count
                found[name] = [numbers[5 * at : 5 * at + 5] for at in range(count)]
    return found


@given(
    stems=st.lists(STEMS, min_size=1, max_size=5, unique_by=str.lower),
    rows=ROWS,
    form=st.sampled_from([*COMPRESSED, *TARS]),
    above=st.sampled_from(["", "./", "results/", "home/me/pred/"]),
    ending=st.sampled_from([".txt", ".TXT", ".jpg.txt"]),
    end=st.sampled_from(["\n", "\r\n"]),
    coding=st.sampled_from(["utf-8", "utf-8-sig"]),
    beside=st.lists(st.sampled_from(sorted(BESIDE)), unique=True),
    random=st.randoms(use_true_random=False),
    back=st.booleans(),
)
def test_archives_as_unpacked_by_the_standard_library(
    tmp_path_factory: pytest.TempPathFactory,
    stems: list[str],
    rows: list[Rows],
    form: str,
    above: str,
    ending: str,
    end: str,
    coding: str,
    beside: list[str],
    random: Random,
    back: bool,
) -> None:
    # The words of one name begin no other, so that each file is of one image.
    names = [f"{at}n/{stem}.jpg" for at, stem in enumerate(stems)]
    members = [(each, BESIDE[each]) for each in beside]
    for name, several in zip(names, rows, strict=False):
        lines = ["x", str(len(several)), *(" ".join(map(str, row)) for row in several)]
        text = end.join([*lines, ""])
        members.append((name.removesuffix(".jpg") + ending, text.encode(coding)))
    random.shuffle(members)
    path = tmp_path_factory.mktemp("d") / "packed"
    pack(path, form, members, above, back)
    expected = slow_reading(path, names)
    assert len(expected) == len(names)
    found = read_detections(path, names)
    assert set(found) == set(names)
    for name in names:
        x1, y1, x2, y2 = found[name].boxes_N4.T.tolist()
        scores = found[name].scores_N.tolist()
        pairs = zip(x1, y1, x2, y2, scores, strict=True)
        assert [[a, b, c - a, d - b, score] for a, b, c, d, score in pairs] == expected[name]

"""Sets of detections as systems and programs pack them."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nasface.annotations.detection_files import is_archive, text_files
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

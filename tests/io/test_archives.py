import io
import os
import tarfile
from pathlib import Path

import pytest

from nasface.io.archives import archive_members, archive_of, file_bytes, open_file


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_members_are_read_as_files_are(tmp_path: Path) -> None:
    files = {"a.jpg": b"one", "deep/b.jpg": b"", "x" * 150 + ".jpg": os.urandom(5000)}
    tar = write_tar(tmp_path / "some.tar", files)
    assert list(archive_members(tar)) == list(files)
    for name, content in files.items():
        assert archive_of(tar / name) == tar
        assert file_bytes(tar / name) == content
        with open_file(tar / name) as file:
            assert file.read() == content


def test_paths_of_the_file_system_stay_what_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "folder.tar"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"one")
    assert archive_of(folder / "a.jpg") is None
    assert file_bytes(folder / "a.jpg") == b"one"


def test_an_archive_that_changes_is_read_anew(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "some.tar", {"a.jpg": b"one"})
    assert file_bytes(tar / "a.jpg") == b"one"
    write_tar(tar, {"b.jpg": b"other", "a.jpg": b"two"})
    os.utime(tar, ns=(1, 1))
    assert file_bytes(tar / "a.jpg") == b"two"


def test_what_is_not_there(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "some.tar", {"a.jpg": b"one"})
    with pytest.raises(FileNotFoundError, match=r"b\.jpg"):
        file_bytes(tar / "b.jpg")
    with pytest.raises(FileNotFoundError, match=r"none\.tar"):
        file_bytes(tmp_path / "none.tar" / "a.jpg")


def test_links_and_devices_are_no_files(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "some.tar", "w") as tar:
        for name, kind in (("a.jpg", tarfile.SYMTYPE), ("b.jpg", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    assert not archive_members(tmp_path / "some.tar")


@pytest.mark.parametrize("length", [100, 600, 1100])
def test_damaged_archives(tmp_path: Path, length: int) -> None:
    """Cut within a header, in the first file, and in the second."""
    tar = write_tar(tmp_path / "some.tar", {"a.jpg": b"one" * 200, "b.jpg": b"two" * 200})
    tar.write_bytes(tar.read_bytes()[:length])
    with pytest.raises(OSError, match="is no whole tar archive"):
        file_bytes(tar / "a.jpg")

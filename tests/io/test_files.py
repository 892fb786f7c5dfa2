"""Text in any coding is read; files are written whole or not at all."""

import errno
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.errors import DataError, NasfaceError, OutputError
from nasface.io.files import (
    decode_text,
    draft,
    draft_folder,
    draft_path,
    files_below,
    is_draft,
    make_folders,
    read_text,
    write_bytes,
    write_text,
)

FULL = "No space left on device; free space there, or write elsewhere"
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


def test_a_text_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    write_text(path, "new ä")
    assert path.read_text("utf-8") == "new ä"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["os.replace", "pathlib.Path.write_bytes", "os.fsync"])
def test_a_failed_write_leaves_the_old_file(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(call, full)
        with pytest.raises(OutputError) as caught:
            write_bytes(path, b"new", sync=True)
    assert str(caught.value) == f"{path}: cannot be written: {FULL}"
    assert isinstance(caught.value, NasfaceError)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_is_dropped_with_its_block(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(KeyError), draft(path) as temporary:  # noqa: PT012 - the block is tested
        temporary.write_bytes(b"half")
        assert (temporary.suffix, temporary.parent) == (".onnx", tmp_path)
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_drafts_are_told_from_other_files(tmp_path: Path) -> None:
    for name in ("a.txt", "checkpoint.pt", "none", "two.dots.yaml", ".hidden"):
        path = draft_path(tmp_path / name)
        assert is_draft(path)
        assert str(os.getpid()) in path.name
        assert not is_draft(tmp_path / name)
    assert draft_path(tmp_path / "a.txt") != draft_path(tmp_path / "a.csv")


def test_a_folder_is_there_whole(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "data"
    with draft_folder(folder) as making:
        (making / "a.txt").write_text("whole")
        assert not folder.exists()
    assert [path.name for path in (tmp_path / "above").iterdir()] == ["data"]
    assert (folder / "a.txt").read_text() == "whole"


@pytest.mark.parametrize("named", [True, False])
def test_a_folder_that_cannot_be_filled(named: bool, tmp_path: Path) -> None:
    """The message names the place where the file would have come, and no draft is left."""
    folder = tmp_path / "data"
    with pytest.raises(OutputError) as caught, draft_folder(folder) as making:  # noqa: PT012
        (making / "a.txt").write_text("half")
        place = [str(making / "b.txt")] if named else []
        raise OSError(errno.ENOSPC, "No space left on device", *place)
    where = folder / "b.txt" if named else folder
    assert str(caught.value) == f"{where}: cannot be written: {FULL}"
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"data: cannot be written: "):  # noqa: SIM117
        with draft_folder(tmp_path / "file" / "data"):
            pass


def test_other_errors_of_a_folder_stay(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="source"), draft_folder(tmp_path / "data"):
        (tmp_path / "source").read_bytes()
    with pytest.raises(KeyError), draft_folder(tmp_path / "data"):
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_folder_that_sigterm_interrupts_leaves_nothing(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught, draft_folder(tmp_path / "data"):
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_files_below_a_folder_and_its_links(tmp_path: Path) -> None:
    """Links to folders are followed, but for those that lead back to where they lie."""
    for name in ("top/a/b/1.txt", "top/.h/2.txt", "top/3.txt", "other/4.txt", "other/deep/5.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name, target in (
        ("top/link", "other"),
        ("top/a/again", "other"),
        ("top/a/b/up", "top"),
        ("other/back", "top"),
        ("other/self", "other"),
        ("top/6.txt", "other/4.txt"),
        ("top/broken.txt", "nothing"),
        ("top/broken", "nothing"),
    ):
        (tmp_path / name).symlink_to(tmp_path / target)
    top = tmp_path / "top"
    found = {path.relative_to(top).as_posix() for path in files_below(top)}
    own = {"3.txt", "6.txt", ".h/2.txt", "a/b/1.txt"}
    linked = {f"{link}/{name}" for link in ("link", "a/again") for name in ("4.txt", "deep/5.txt")}
    assert found == own | linked
    entered = files_below(top, lambda folder: folder.name not in (".h", "again"))
    left = {path.relative_to(top).as_posix() for path in entered}
    assert left == {name for name in found if not name.startswith((".h", "a/again"))}
    (tmp_path / "link").symlink_to(top)
    assert sum(1 for _ in files_below(tmp_path / "link")) == len(found)
    assert list(files_below(tmp_path / "nothing")) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_pipes_and_devices_are_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    for path in (pipe, tmp_path / "link"):
        with pytest.raises(OutputError, match="is a device or a pipe, expected a file"):
            write_text(path, "anything")
    assert pipe.is_fifo()
    assert (tmp_path / "link").is_symlink()
    assert len(list(tmp_path.iterdir())) == 2


def test_folders_that_are_made_for_nothing_go_again(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(KeyError), draft_folder(tmp_path / "one" / "two" / "three" / "data"):
        raise KeyError
    assert list(tmp_path.rglob("*")) == [tmp_path / "one"]
    made = make_folders(tmp_path / "one" / "two" / "three")
    assert made == [tmp_path / "one" / "two" / "three", tmp_path / "one" / "two"]
    (tmp_path / "one" / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_folders(tmp_path / "one" / "file" / "two")
    with pytest.raises(OSError, match="too long"):
        make_folders(tmp_path / "four" / ("x" * 300))
    assert not (tmp_path / "four").exists()

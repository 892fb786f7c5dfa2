"""Whole files: text that is read with messages, bytes that are written whole or not at all."""

import codecs
import errno
import hashlib
import os
import re
import shutil
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nasface.errors import ConfigError, NasfaceError, OutputError, check_kind

LONGEST_NAME = 255
"""Bytes that the name of a file may have on the usual file systems."""

_LARGEST_FILE = 64 * 2**20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SHOWN = 100
"""Letters of a folder's name that its draft has."""
_DRAFT = re.compile(r"\..+\.\d+\.tmp(\.[^.]*)?")


def as_path(given: Any, name: str) -> Path:
    """Return a path that is given as text or as a path.

    Raises:
        ConfigError: naming the argument, for anything else, and a null character.
    """
    check_kind(name, given, str | os.PathLike, "a path")
    path = Path(given)
    if "\0" in str(path):
        raise ConfigError(f"{name}: {str(path)!a:.60} has a null character; expected a path")
    return path


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """Give a path to write to, which replaces ``path`` when the block ends without an error.

    A reader sees the old file or the new one, never a half; two processes or threads never write
    to the same draft. The draft has the suffix of ``path``.

    Raises:
        OutputError: naming the file, if it cannot be written; it then stays as it was. Devices and
            pipes are refused: root would put a file in the place of ``/dev/null`` for all programs.
    """
    temporary = draft_path(path)
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise OutputError(errno.EINVAL, "is a device or a pipe, expected a file", str(path))
        yield temporary
        os.replace(temporary, path)
    except OutputError:
        raise
    except OSError as problem:
        raise _not_written(path, problem) from None
    finally:
        temporary.unlink(missing_ok=True)


def _not_written(path: Path, problem: OSError) -> OutputError:
    return OutputError(problem.errno or errno.EIO, problem.strerror or str(problem), str(path))


def make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; return those that were not there, the lowest first."""
    missing = [each for each in (folder, *folder.parents) if not os.path.exists(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        remove_folders(missing)
        raise
    return missing


def remove_folders(folders: Iterable[Path]) -> None:
    """Remove those of folders, the lowest first, that hold nothing."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def draft_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which becomes ``folder`` when the block ends without an error.

    ``folder`` is not there yet, or empty; folders above it are made. SIGTERM ends the process with
    nothing left. One that is killed otherwise leaves the draft beside ``folder`` under a hidden
    name, which the next one tells.

    Raises:
        OutputError: naming the place in ``folder``, if something cannot be written; nothing is left
            then.
    """
    start, end = f".{folder.name[:_SHOWN]}.", ".part"
    made: list[Path] = []
    try:
        made = make_folders(folder.parent)
        for name in sorted(os.listdir(folder.parent)):
            if name.startswith(start) and name.endswith(end):
                note = "left by a run that was killed; remove it, if no other is writing there"
                warnings.warn(f"{folder.with_name(name)}: {note}", FutureWarning, stacklevel=3)
        making = Path(tempfile.mkdtemp(end, start, folder.parent))
    except OSError as problem:
        remove_folders(made)
        raise _not_written(folder, problem) from None
    try:
        with _exit_on_termination():
            yield making
            making.chmod(0o755)
            if folder.exists():
                folder.rmdir()
            making.rename(folder)
    except OSError as problem:
        place = Path(str(problem.filename or making))
        if not place.is_relative_to(making):
            raise
        raise _not_written(folder / place.relative_to(making), problem) from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
        remove_folders(made)  # with the folder in them they are not empty


@contextmanager
def _exit_on_termination() -> Iterator[None]:
    """Let SIGTERM raise SystemExit in the main thread, so that blocks clear up on the way out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def draft_path(path: Path) -> Path:
    """Return the name under which this thread writes a file before it is whole."""
    writer = f"{os.getpid()}.{threading.get_native_id()}"
    name = f".{path.stem}.{writer}.tmp{path.suffix}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        short = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
        name = f".{short}.{writer}.tmp{path.suffix if len(path.suffix) < 20 else ''}"
    return path.with_name(name)


def is_draft(path: Path) -> bool:
    """Return whether a file is an unfinished one, left behind by a process that was killed."""
    return _DRAFT.fullmatch(path.name) is not None


def files_below(
    folder: Path, enters: Callable[[Path], bool] = lambda folder: True
) -> Iterator[Path]:
    """Yield the files below a folder, in no order, those in folders that are links among them.

    Folders that ``enters`` refuses are left out, and so is a link to a folder that it lies in.
    """
    above = {str(folder): frozenset((os.path.realpath(folder),))}
    for place, folders, names in os.walk(folder, followlinks=True):
        around = above.pop(place)
        entered = []
        for name in folders:
            path = os.path.join(place, name)
            real = os.path.realpath(path)
            if real not in around and enters(Path(path)):
                above[path] = around | {real}
                entered.append(name)
        folders[:] = entered
        for name in names:
            path = os.path.join(place, name)
            if os.path.isfile(path):  # no broken link
                yield Path(path)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, as :func:`write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes | memoryview, *, sync: bool = False) -> None:
    """Write a file whole or not at all; ``sync`` waits until it is on the disk.

    Raises:
        OutputError: naming the file, if it cannot be written; it then stays as it was.
    """
    with draft(path) as temporary:
        temporary.write_bytes(data)
        if sync:
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())


def read_text(
    path: Path, error: type[NasfaceError], what: str, largest: int = _LARGEST_FILE
) -> str:
    """Return the text of a file, whose lines end in ``\n``; see :func:`decode_text`.

    Raises:
        NasfaceError: ``error``, which names the file and ``what`` is expected in it.
    """
    return decode_text(read_bytes(path, error, what, largest), str(path), error, what)


def read_bytes(
    path: Path, error: type[NasfaceError], what: str, largest: int = _LARGEST_FILE
) -> bytes:
    """Return the content of a file of annotations, settings or the like, of at most ``largest``
    bytes.

    Raises:
        NasfaceError: ``error``, which names the file and ``what`` is expected in it.
    """
    try:
        if path.stat().st_size > largest:
            raise error(f"{path}: larger than {largest} bytes, expected {what}")
        return path.read_bytes()
    except OSError as problem:
        raise error(f"{path}: cannot read {what}: {problem.strerror}") from None


def decode_text(data: bytes, source: str, error: type[NasfaceError], what: str) -> str:
    """Return bytes as text, whose lines end in ``\\n``.

    A byte order mark says whether it is UTF-16 or UTF-32; without one it is UTF-8. Lines may end in
    ``\\n``, ``\\r\\n`` or ``\\r``; other characters that Unicode counts as ends of lines are none.

    Raises:
        NasfaceError: ``error``, beginning with ``source`` and the line, if the bytes are no text.
    """
    mark, coding = next((each for each in _MARKS if data.startswith(each[0])), (b"", "utf-8"))
    body = data[len(mark) :]
    try:
        text = body.decode(coding)
    except UnicodeDecodeError as problem:
        before = body[: problem.start].decode(coding, "ignore")
        line = before.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
        name = coding.removesuffix("-le").removesuffix("-be").upper()
        raise error(f"{source}:{line}: is not {name} text, expected {what}") from None
    # Files that were joined have a mark where each begins.
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n\ufeff", "\n")

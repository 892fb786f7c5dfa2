"""Whole files: text that is read with messages, bytes that are written whole or not at all."""

import os
from pathlib import Path

from nasface.errors import NasfaceError

_LARGEST_FILE = 64 * 2**20


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` of a text in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new one, never a half.

    Raises:
        OSError: naming the file, which then is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as problem:
        temporary.unlink(missing_ok=True)
        raise OSError(problem.errno, problem.strerror, str(path)) from None


def read_text(path: Path, error: type[NasfaceError], what: str) -> str:
    """The text of a UTF-8 file; raises ``error``, which names it as ``what``, if it has none."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise error(f"{path}: larger than {_LARGEST_FILE} bytes, expected {what}")
        return path.read_text("utf-8")
    except OSError as problem:
        raise error(f"{path}: cannot read {what}: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise error(f"{path}: not UTF-8 text at byte {problem.start}") from None

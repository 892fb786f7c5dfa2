"""Whole files: text that is read with messages, bytes that are written whole or not at all."""

import codecs
import hashlib
import os
from pathlib import Path

from nasface.errors import NasfaceError

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


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` of a text in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new one, never a half.

    Raises:
        OSError: naming the file, which then is as it was.
    """
    name = f".{path.name}.tmp"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.tmp"
    temporary = path.with_name(name)
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as problem:
        temporary.unlink(missing_ok=True)
        raise OSError(problem.errno, problem.strerror, str(path)) from None


def read_text(path: Path, error: type[NasfaceError], what: str) -> str:
    """The text of a file, whose lines end in ``\\n``; see :func:`decode_text`.

    Raises:
        NasfaceError: ``error``, which names the file and ``what`` is expected in it.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise error(f"{path}: larger than {_LARGEST_FILE} bytes, expected {what}")
        data = path.read_bytes()
    except OSError as problem:
        raise error(f"{path}: cannot read {what}: {problem.strerror}") from None
    return decode_text(data, str(path), error, what)


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

"""Writing what has proved right, and nothing else."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasface.errors import ExportError


def check_free(path: Path, overwrite: bool) -> None:
    """Raise :class:`ExportError` unless a file may be written to ``path``."""
    if path.is_dir() or (path.exists() and not overwrite):
        raise ExportError(f"{path}: is there already; expected a new file, or --overwrite")
    if not path.parent.is_dir():
        raise ExportError(f"{path}: {path.parent} is no folder")


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of ``path`` if the block ends without an error.

    Raises:
        ExportError: naming the file, if it cannot be written.
    """
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except ExportError as error:
        raise ExportError(f"{path}: not written: {error}") from None
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        temporary.unlink(missing_ok=True)

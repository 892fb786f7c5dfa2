"""Whether a file can be written where an export is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasface.errors import ConfigError, ExportError


def check_output(path: Path, weights: Path | None = None, *, overwrite: bool = False) -> None:
    """Refuse a file that cannot be made there, before any work is done.

    Raises:
        ConfigError: if it holds ``weights``, which are in use.
        ExportError: if something is there already (without ``overwrite``; a folder in any case), or
            the folder to write to is missing.
    """
    if weights is not None and path.resolve() == weights.resolve():
        raise ConfigError(f"{path}: holds the weights in use; expected another file name")
    if path.is_dir() or (path.exists() and not overwrite):
        raise ExportError(f"{path}: is there already; expected a new file, or overwrite")
    check_parent(path)


def check_parent(path: Path) -> None:
    """Raise :class:`ExportError` unless the folder that a path lies in is there."""
    if not path.absolute().parent.is_dir():
        raise ExportError(f"{path}: {path.absolute().parent} is no folder")


@contextmanager
def named_refusals(path: Path) -> Iterator[None]:
    """Say in an :class:`ExportError` which file was not written."""
    try:
        yield
    except ExportError as error:
        raise ExportError(f"{path}: not written: {error}") from None

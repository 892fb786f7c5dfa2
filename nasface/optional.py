"""Packages that are needed for some tasks only; most belong to an extra of setup.cfg.

Messages say ``pip install 'nasface[EXTRA]'``: pip then adds what the extra of the installed nasface
lacks, also where nasface itself was installed from a clone or a file.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from nasface.errors import MissingPackageError

PACKAGE = "package:"
"""What a name begins with that stands for a file inside an installed package."""


def need(name: str, install: str) -> ModuleType:
    """Import a module of a package that may be missing; ``install`` is what to give to pip for it.

    Raises:
        MissingPackageError: naming the package and the command, if it is missing; with the system's
            words, if it is there and cannot be loaded, as without a library of the system.
    """
    package = name.partition(".")[0]
    require(install, package)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPackageError(f"{package} cannot be loaded: {error}") from error


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """Let what is imported meanwhile find no such package."""
    known = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]  # as the import system has it
    try:
        yield
    finally:
        del sys.modules[package]
        if known is not None:
            sys.modules[package] = known


def require(install: str, *packages: str) -> None:
    """Check that packages are there, without importing them; ``install`` brings them with pip.

    Raises:
        MissingPackageError: naming the first package that is missing, and the command.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(
                f"{package} is not installed; expected: pip install '{install}'"
            )


def packaged_file(install: str, package: str, path: str) -> Path:
    """Find a file inside an installed package, whose code is not run; ``install`` brings it by pip.

    Raises:
        MissingPackageError: naming the package and the command, if it is missing or has no such
            file.
    """
    require(install, package)
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or ()
    for folder in folders:
        if (Path(folder) / path).is_file():
            return Path(folder) / path
    raise MissingPackageError(f"{package} has no file {path}; expected: pip install '{install}'")

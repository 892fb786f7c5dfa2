"""Packages that are needed for some tasks only; most belong to an extra of setup.cfg."""

import importlib
import importlib.util
from types import ModuleType

from nasface.errors import MissingPackageError


def need(name: str, install: str) -> ModuleType:
    """Import a module of a package that may be missing; ``install`` is what to give to pip for it.

    Raises:
        MissingPackageError: naming the package and the command, if it is missing.
    """
    require(install, name.partition(".")[0])
    return importlib.import_module(name)


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

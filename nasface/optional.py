"""Packages that are needed for some tasks only."""

import importlib
from types import ModuleType

from nasface.errors import ExportError


def need(name: str, install: str = "nasface[export]") -> ModuleType:
    """Import a package that may be missing; ``install`` is what to give to pip for it.

    Raises:
        ExportError: naming the package and the command, if it is missing.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ExportError(f"{name} is not installed; expected: pip install '{install}'") from None

"""Packages of the extras."""

import importlib
from types import ModuleType

from nasface.errors import ExportError


def need(name: str) -> ModuleType:
    """A package of the extra ``export``.

    Raises:
        ExportError: naming the extra, where the package is missing.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ExportError(
            f"{name} is not installed; ONNX needs the extra export: pip install 'nasface[export]'"
        ) from None

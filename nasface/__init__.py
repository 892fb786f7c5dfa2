"""Differentiable neural architecture search for face detectors."""

import importlib
import sys
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasface.api.detector import FaceDetector, load_detector
    from nasface.api.exporting import export
    from nasface.api.spaces import list_genotypes, list_search_spaces, load_search_space
    from nasface.arch.genotype import Genotype
    from nasface.arch.io import load_genotype, save_genotype
    from nasface.arch.space import SearchSpace
    from nasface.data.formats import read_dataset
    from nasface.drawing.draw import Drawing, draw
    from nasface.errors import NasfaceError

__version__ = "0.2.0.dev0"

#: public name -> module that defines it; imported on first use, so that a start needs no torch
_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "Drawing": "nasface.drawing.draw",
        "FaceDetector": "nasface.api.detector",
        "Genotype": "nasface.arch.genotype",
        "NasfaceError": "nasface.errors",
        "SearchSpace": "nasface.arch.space",
        "draw": "nasface.drawing.draw",
        "export": "nasface.api.exporting",
        "list_genotypes": "nasface.api.spaces",
        "list_search_spaces": "nasface.api.spaces",
        "load_detector": "nasface.api.detector",
        "load_genotype": "nasface.arch.io",
        "load_search_space": "nasface.api.spaces",
        "read_dataset": "nasface.data.formats",
        "save_genotype": "nasface.arch.io",
    }
)

__all__ = [
    "Drawing",
    "FaceDetector",
    "Genotype",
    "NasfaceError",
    "SearchSpace",
    "draw",
    "export",
    "list_genotypes",
    "list_search_spaces",
    "load_detector",
    "load_genotype",
    "load_search_space",
    "read_dataset",
    "save_genotype",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})


class _Package(ModuleType):
    """``export`` and the like name a function here and a room below: importing the room, which
    sets its name on this package, does not hide the function."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

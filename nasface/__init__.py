"""Differentiable neural architecture search for face detectors.

``nasface.load_detector(path)`` loads a trained detector; everything else is in the packages below.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasface.inference.face_detector import load_detector as load_detector

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import on first use: the console command starts without torch."""
    if name == "load_detector":
        return importlib.import_module("nasface.inference.face_detector").load_detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

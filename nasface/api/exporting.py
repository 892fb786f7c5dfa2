"""Detectors in forms that run without nasface."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from nasface.api.detector import FaceDetector
from nasface.errors import ConfigError
from nasface.export import registry
from nasface.export.config import ExportConfig
from nasface.export.parity import Difference


def export(
    detector: FaceDetector,
    path: str | Path,
    config: ExportConfig | None = None,
    *,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Difference:
    """Write a detector in the form of the file's suffix, after comparing the file with it.

    ``.onnx`` is ONNX, ``.pt2`` a program of torch.export, ``.py`` plain Python with its weights
    beside it. ``options`` are settings of :class:`~nasface.export.config.ExportConfig`, such as
    ``outputs="detections"``, and override those of ``config``. ``report`` is told of each step.

    Returns:
        The greatest difference of the file's outputs from the detector's.

    Raises:
        ConfigError: for an unknown suffix or option, or a detector of an ONNX file.
        ExportError: if a file is there already, a package is missing, or the file does not agree
            with the detector. No file is written then.
        OutputError: if the file cannot be written.
    """
    known = [each.name for each in fields(ExportConfig) if each.name != "weights"]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ConfigError(f"{unknown[0]}: unknown option; expected one of {', '.join(known)}")
    settings = replace(config or ExportConfig(), **options)
    return registry.export(
        detector.loaded(), Path(path), settings, overwrite=overwrite, report=report
    )

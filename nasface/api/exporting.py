"""Detectors in forms that run without nasface."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from nasface.api.arguments import refuse
from nasface.api.detector import FaceDetector
from nasface.api.loading import as_detector
from nasface.api.progress import shown_progress
from nasface.deploy import registry
from nasface.deploy.config import ExportConfig
from nasface.deploy.parity import ParityDifference
from nasface.deploy.runtimes.registry import write_target
from nasface.io.files import as_path
from nasface.io.settings import checked_settings, with_settings
from nasface.progress import Progress


def export(
    detector: FaceDetector | str | Path,
    path: str | Path,
    config: ExportConfig | None = None,
    *,
    to: str = "",
    overwrite: bool = False,
    progress: bool | Progress | None = None,
    **options: Any,
) -> ParityDifference:
    """Write a detector in the form of the file's suffix, after comparing the file with it.

    ``detector`` is one, the file of one, or the name of a released one. ``.onnx`` is ONNX, ``.pt2``
    a program of torch.export, ``.py`` plain Python with its weights beside it. With ``to``, the
    name of a runtime in :data:`nasface.deploy.runtimes.registry.TARGETS`, ``path`` is a new folder:
    the runtime's own files, a card and a program. ``options`` are settings of
    :class:`~nasface.deploy.config.ExportConfig`, such as ``outputs="detections"``, and override
    those of ``config``. ``progress`` is that of :func:`nasface.train`; each step is a line.

    Returns:
        The greatest difference of the file's outputs from the detector's.

    Raises:
        RunError: if no detector can be loaded of the file.
        ConfigError: for an unknown suffix or option, or a detector of an ONNX file.
        ExportError: if a file is there already, a package is missing, or the file does not agree
            with the detector. No file is written then.
        OutputError: if the file cannot be written.
    """
    refuse(options, ("weights",))
    detector = as_detector(detector)
    settings = with_settings(checked_settings(ExportConfig, config, "export"), options, "export")
    settings = replace(settings, weights=str(detector.source or ""))
    path = as_path(path, "path")
    with shown_progress(progress) as shown:
        if to:
            return write_target(
                detector.loaded(), to, path, settings, overwrite=overwrite, progress=shown
            )
        return registry.write_export(
            detector.loaded(), path, settings, overwrite=overwrite, progress=shown
        )

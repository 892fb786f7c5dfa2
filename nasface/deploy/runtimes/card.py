"""The card of an exported folder."""

from collections.abc import Mapping
from typing import Any

from nasface import __version__
from nasface.deploy.config import ExportConfig
from nasface.deploy.parity import ParityDifference
from nasface.detection.checkpoint import LICENCE, LoadedDetector
from nasface.models import released_models


def title_of(loaded: LoadedDetector, config: ExportConfig) -> str:
    """Return what to call a detector: the name of a released one, otherwise its own."""
    released = (
        each.name for each in released_models().values() if str(each.weights) == config.weights
    )
    return next(released, loaded.name)


def write_readme(
    title: str,
    runtime: str,
    runs_with: str,
    metrics: Mapping[str, Any],
    worst: ParityDifference,
    note: str = "",
) -> str:
    """Return the markdown: what the folder holds, how it is run, how far it is from the
    detector."""
    figures = [f"{key} {value}" for key, value in metrics.items() if key != "model"]
    if "serve" in runs_with:
        usage = [f"Needs: {runs_with}. Detection runs in the visitor's browser."]
    else:
        usage = [
            f"Needs: `{runs_with}`. `detect.py` finds the faces of a photograph:",
            "",
            "    python detect.py photograph.jpg",
            "",
            "It prints score, left, top, right and bottom of each face, in pixels.",
        ]
    lines = [
        f"# {title}: {runtime}",
        "",
        f"A face detector, written by nasface {__version__}.",
        "",
        *usage,
        "",
        "Greatest difference from the detector, over the greatest magnitude of the output: "
        f"{worst}.",
        "",
        *([note, ""] if note else []),
        *(["Figures of its training: " + ", ".join(figures) + ".", ""] if figures else []),
        f"Licence: {LICENCE}",
        "",
    ]
    return "\n".join(lines)

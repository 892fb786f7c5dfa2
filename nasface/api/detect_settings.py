"""The settings of ``detect``: its threshold, and how the detector is applied."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nasface.inference.predict import InferenceConfig, octaves
from nasface.io.settings import checked_settings, with_settings


def check_score(threshold: float) -> None:
    """Raise ValueError unless a threshold is a number from 0 to 1."""
    try:
        is_score = bool(0 <= threshold <= 1)
    except (TypeError, ValueError, RuntimeError):  # text, None, several numbers
        is_score = False
    if not is_score:
        raise ValueError(f"score_threshold must be from 0 to 1, got {threshold!r:.60}")


def inference_settings(
    given: InferenceConfig | Mapping[str, Any] | None, score_threshold: float
) -> InferenceConfig:
    """Return whole settings as they are given; a map changes those of preset octaves, whose boxes
    enter suppression from ``score_threshold`` on where that is lower."""
    if isinstance(given, InferenceConfig):
        return checked_settings(InferenceConfig, given, "inference")
    usual = octaves()
    usual = replace(usual, score_threshold=min(usual.score_threshold, score_threshold))
    return with_settings(usual, {} if given is None else given, "inference")

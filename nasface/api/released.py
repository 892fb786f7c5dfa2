"""The released detectors as a list."""

from dataclasses import dataclass

from nasface.detection.checkpoint import read_checkpoint
from nasface.models import ReleasedModel, released_models


@dataclass(frozen=True)
class ReleasedDetector:
    """A released detector with its size and figures.

    ``easy``, ``medium`` and ``hard``: average precision on 176 validation photographs of WIDER FACE
    by the official protocol; ``relative_time``: ratio to ``d0-dense`` in ONNX Runtime, one thread,
    one image of 640 x 480.
    """

    name: str
    parameters: int
    megabytes: float
    easy: float
    medium: float
    hard: float
    relative_time: float


def describe_released() -> list[ReleasedDetector]:
    """List the released detectors, fastest first."""
    return sorted(
        map(describe_model, released_models().values()), key=lambda each: each.relative_time
    )


def describe_model(model: ReleasedModel) -> ReleasedDetector:
    """Return size and figures of a released detector."""
    loaded = read_checkpoint(model.weights)
    figures = {key: float(loaded.metrics[key]) for key in _FIGURES}
    size = sum(each.numel() for each in loaded.detector.parameters())
    return ReleasedDetector(model.name, size, model.weights.stat().st_size / 1e6, **figures)


_FIGURES = ("easy", "medium", "hard", "relative_time")

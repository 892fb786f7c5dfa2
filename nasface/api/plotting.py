"""Figures of evaluations."""

from collections.abc import Sequence
from pathlib import Path

from nasface.engine.evaluate import Evaluation
from nasface.errors import ConfigError
from nasface.metrics.protocol import Curves
from nasface.plots.evaluation import plot_curves
from nasface.runs.results import label_of, read_result_curves


def plot(
    results: Sequence[str | Path | Evaluation], out: str | Path, *, labels: Sequence[str] = ()
) -> Path:
    """Draw the curves of one or several evaluations in one figure, and return its path.

    ``results`` are what :func:`nasface.evaluate` returned or wrote; ``labels`` name them, by
    default by their folders.

    Raises:
        ConfigError: for results with different axes, labels that are not distinct, or another file
            type than .png, .svg and .pdf. RunError: naming a file that holds no curves.
    """
    if not results:
        raise ConfigError("results: expected at least one folder that nasface evaluate wrote")
    names = list(labels) or [_label(each, at) for at, each in enumerate(results, 1)]
    if len(names) != len(results):
        raise ConfigError(f"labels: {len(names)} for {len(results)} results")
    if len(set(names)) < len(names):
        raise ConfigError(f"labels: {', '.join(names)} are not distinct; name each by labels")
    curves = {name: _curves(each) for name, each in zip(names, results, strict=True)}
    return plot_curves(curves, Path(out))


def _label(result: str | Path | Evaluation, at: int) -> str:
    return f"result {at}" if isinstance(result, Evaluation) else label_of(Path(result))


def _curves(result: str | Path | Evaluation) -> Curves:
    return result.curves if isinstance(result, Evaluation) else read_result_curves(Path(result))

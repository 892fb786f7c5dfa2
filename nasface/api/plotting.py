"""Figures of evaluations."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from nasface.engine.evaluate import Evaluation
from nasface.errors import ConfigError, check_kind
from nasface.io.files import as_path
from nasface.metrics.protocol import Curves
from nasface.plots.evaluation import plot_curves
from nasface.plots.figure import Plot, check_suffix
from nasface.runs.results import label_of, read_result_curves

Result = str | Path | Evaluation


def plot(
    results: Result | Iterable[Result],
    path: str | Path | None = None,
    *,
    labels: Sequence[str] = (),
) -> Plot:
    """Draw the curves of one or several evaluations in one figure.

    ``results`` are what :func:`nasface.evaluate` returned or wrote; ``labels`` name them, by
    default by their folders. With ``path`` the figure is saved as .png, .svg or .pdf; a file that
    is there is replaced.

    Raises:
        ConfigError: for results with different axes, labels that are not distinct, or another file
            type than .png, .svg and .pdf. RunError: naming a file that holds no curves.
    """
    if path is not None:
        check_suffix(as_path(path, "path"))
    if isinstance(results, str | Path | Evaluation):
        results = [results]
    results = list(results) if isinstance(results, Iterable) else []
    for each in results:
        check_kind("results", each, str | Path | Evaluation, "folders or Evaluations")
        if not isinstance(each, Evaluation):
            as_path(each, "results")
    check_kind("labels", labels, Iterable, "a text for each of the results")
    if not results:
        raise ConfigError("results: expected at least one folder that nasface evaluate wrote")
    names = list(labels) or [_label(each, at) for at, each in enumerate(results, 1)]
    if len(names) != len(results):
        raise ConfigError(f"labels: {len(names)} for {len(results)} results")
    if len(set(names)) < len(names):
        raise ConfigError(f"labels: {', '.join(names)} are not distinct; name each by labels")
    curves = {name: _curves(each) for name, each in zip(names, results, strict=True)}
    figure = plot_curves(curves)
    if path is not None:
        figure.save(path)
    return figure


def _label(result: Result, at: int) -> str:
    return f"result {at}" if isinstance(result, Evaluation) else label_of(Path(result))


def _curves(result: Result) -> Curves:
    return result.curves if isinstance(result, Evaluation) else read_result_curves(Path(result))

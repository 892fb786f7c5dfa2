"""What evaluations write and plots read: figures as JSON, curves as CSV."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nasface.errors import RunError
from nasface.io.files import read_text, write_text
from nasface.io.strict_json import REASONS
from nasface.metrics.average_precision import AveragePrecision
from nasface.metrics.fddb import READ_AT, FddbResult
from nasface.metrics.widerface import THRESHOLDS, SetResult, WiderResult
from nasface.optional import need

if TYPE_CHECKING:
    import pandas as pd

CURVES = "curves.csv"
"""Name of the file of curves in the folder of an evaluation."""

_PR = ["set", "score", "recall", "precision"]
_ROC = ["score", "false_positives", "discontinuous", "continuous"]


def wider_figures(result: WiderResult) -> dict[str, Any]:
    """Figures of WIDER FACE as plain values; an average precision without faces is None, with the
    reason beside it."""
    groups = {
        f"by.{group}.{name}.ap": each for group, s in result.by.items() for name, each in s.items()
    }
    return {
        "images": result.images,
        "detections": result.detections,
        "images_without_entry": len(result.missing),
        "events_without_entry": list(result.missing_events),
        "entries_without_image": len(result.unknown),
        **{name: figure_of(each.ap) for name, each in result.sets.items()},
        "faces": {name: each.faces for name, each in result.sets.items()},
        "by": {
            group: {value: _value(each) for value, each in values.items()}
            for group, values in result.by.items()
        },
        **reasons({**result.sets, **groups}),
    }


def fddb_figures(result: FddbResult) -> dict[str, Any]:
    """Figures of FDDB as plain values."""
    rates = {number: result.rates_at(number) for number in READ_AT}
    return {
        "images": result.images,
        "faces": result.faces,
        "detections": result.detections,
        "false_positives": int(result.false_positives.max(initial=0)),
        "images_without_entry": len(result.missing),
        "entries_without_image": len(result.unknown),
        "discontinuous": {str(number): rate[0] for number, rate in rates.items()},
        "continuous": {str(number): rate[1] for number, rate in rates.items()},
    }


def wider_curves(result: WiderResult) -> "pd.DataFrame":
    """Set, score, recall and precision, 1000 rows a set."""
    parts = (
        _frame(_PR, name, THRESHOLDS, each.recall, each.precision)
        for name, each in result.sets.items()
    )
    curves: pd.DataFrame = need("pandas", "nasface[evaluate]").concat(parts)
    return curves


def plain_curves(result: AveragePrecision) -> "pd.DataFrame":
    """The same for all faces, a row for each counted detection."""
    return _frame(_PR, "all", result.scores, result.recall, result.precision)


def fddb_curves(result: FddbResult) -> "pd.DataFrame":
    """Score, false positives and both rates."""
    rates = (result.discontinuous, result.continuous)
    return _frame(_ROC, result.scores, result.false_positives, *rates)


def write_curves(folder: Path, curves: "pd.DataFrame") -> Path:
    """Write a frame of curves into the folder of an evaluation."""
    path = folder / CURVES
    write_text(path, curves.to_csv(index=False, float_format="%.6g"))
    return path


def read_precision_recall(path: Path) -> "pd.DataFrame":
    """Curves of an evaluation: its folder or the file in it.

    Raises:
        RunError: naming the file, if it holds no precision and recall.
    """
    return _read(_file(path), _PR)


def read_roc(path: Path) -> "pd.DataFrame":
    """Curves of FDDB: the folder of an evaluation, the file in it, or a file of the official tool
    (``...DiscROC.txt`` or ``...ContROC.txt``), which has one of the two rates.

    Raises:
        RunError: naming the file, if it holds no such curve.
    """
    file = _file(path)
    return _read_official(file) if file.suffix == ".txt" else _read(file, _ROC)


def label_of(path: Path) -> str:
    """What to call a result: the name of its folder, or of its file."""
    file = path.resolve()
    return file.parent.name if file.name == CURVES else file.stem if file.is_file() else file.name


def _file(path: Path) -> Path:
    return path / CURVES if path.is_dir() else path


def _read(path: Path, columns: list[str]) -> "pd.DataFrame":
    try:
        frame: pd.DataFrame = need("pandas", "nasface[evaluate]").read_csv(path)
        frame = frame[columns].astype({name: float for name in columns if name != "set"})
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{path}: expected curves with the columns {', '.join(columns)}") from None
    if frame.empty:
        raise RunError(f"{path}: holds no point of a curve")
    return frame


def _read_official(path: Path) -> "pd.DataFrame":
    text = read_text(path, RunError, "a curve")
    try:
        values = np.loadtxt(text.split("\n"), ndmin=2)
    except ValueError:
        values = np.empty((0, 0))
    if values.shape[1] not in (2, 3) or not len(values):
        raise RunError(
            f"{path}: expected the official tool's rows: rate, false positives and, "
            "for the discontinuous rate, score"
        )
    rate = "discontinuous" if values.shape[1] == 3 else "continuous"
    return _frame(("false_positives", rate), values[::-1, 1], values[::-1, 0])


def _frame(names: Sequence[str], *columns: object) -> "pd.DataFrame":
    frame: pd.DataFrame = need("pandas", "nasface[evaluate]").DataFrame(
        dict(zip(names, columns, strict=True))
    )
    return frame


def reasons(results: Mapping[str, SetResult | AveragePrecision]) -> dict[str, dict[str, str]]:
    """Why average precisions, by path, are None: as an entry of figures, or none without any."""
    found = {path: "no face to find" for path, each in results.items() if math.isnan(each.ap)}
    return {REASONS: found} if found else {}


def _value(result: SetResult) -> dict[str, Any]:
    return {"faces": result.faces, "ap": figure_of(result.ap)}


def figure_of(value: float) -> float | None:
    """A figure as JSON has it: None in the place of nan."""
    return None if math.isnan(value) else value

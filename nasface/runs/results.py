"""Files of an evaluation: figures as JSON, curves as CSV."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nasface.errors import DataError, RunError
from nasface.io.files import read_text, write_text
from nasface.metrics.average_precision import area_under_envelope
from nasface.metrics.protocol import Curve, Curves
from nasface.metrics.registry import PROTOCOLS

CURVES, FIGURES = "curves.csv", "evaluation.json"
"""Names of the files in the folder of an evaluation."""

_FIRST = ["set", "score"]


def describe_curves(curves: Curves) -> dict[str, Any]:
    """Return what the file of curves does not say, as plain values."""
    return {
        "x": curves.x,
        "y": curves.y,
        "x_limit": curves.x_limit,
        "steps": curves.steps,
        "values": {
            each.name: None if each.value is None or math.isnan(each.value) else each.value
            for each in curves.curves
        },
    }


def write_curves(folder: Path, curves: Curves) -> Path:
    """Write curves into the folder of an evaluation: columns set, score and those of the axes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_FIRST, curves.x, curves.y])
    for each in curves.curves:
        for values in zip(each.scores, each.x, each.y, strict=True):
            writer.writerow([each.name, *("" if math.isnan(v) else f"{v:.6g}" for v in values)])
    write_text(folder / CURVES, text.getvalue())
    return folder / CURVES


def read_result_curves(path: Path) -> Curves:
    """Read the curves of an evaluation: of its folder, the file in it, or a file that another
    program wrote and one of the protocols reads.

    Raises:
        RunError: naming the file, if it holds no curves.
    """
    file = path / CURVES if path.is_dir() else path
    try:
        for protocol in PROTOCOLS.values():
            found = protocol.read_curves(file)
            if found is not None:
                return found
        rows = list(csv.reader(io.StringIO(read_text(file, DataError, "curves"))))
    except DataError as error:
        raise RunError(str(error)) from None
    except csv.Error:
        rows = []
    if not rows or rows[0][:2] != _FIRST or len(rows[0]) != 4:
        raise RunError(f"{file}: expected curves with the columns {', '.join(_FIRST)}, x and y")
    curves = Curves(rows[0][2], rows[0][3], tuple(_curves(rows[1:], file)))
    return _described(curves, file.with_name(FIGURES))


def label_of(path: Path) -> str:
    """Return what to call a result: the name of its folder, or of its file."""
    file = path.resolve()
    return file.parent.name if file.name == CURVES else file.stem if file.is_file() else file.name


def _curves(rows: Sequence[Sequence[str]], file: Path) -> list[Curve]:
    by_name: dict[str, list[list[float]]] = {}
    for at, row in enumerate(rows, 2):
        try:
            name, *values = row
            score, x, y = (float(value or "nan") for value in values)
        except ValueError:
            raise RunError(f"{file}:{at}: expected a set and three numbers") from None
        by_name.setdefault(name, []).append([score, x, y])
    return [Curve(name, *np.array(points).T) for name, points in by_name.items()]


def _described(curves: Curves, file: Path) -> Curves:
    """Return the curves with what the figures beside their file say of them."""
    try:
        about = json.loads(file.read_text("utf-8"))["curves"]
        values, limit, steps = about["values"], float(about["x_limit"]), bool(about["steps"])
        named = tuple(replace(each, value=values.get(each.name)) for each in curves.curves)
        return replace(curves, curves=named, x_limit=limit, steps=steps)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        # Curves alone, or of version 0.1, whose figures say nothing of them.
        if (curves.x, curves.y) != ("recall", "precision"):
            limit = max(
                (float(np.nanmax(each.x, initial=1.0)) for each in curves.curves), default=1.0
            )
            return replace(curves, x_limit=limit)
        areas = (
            None if np.isnan(each.x).all() else area_under_envelope(each.x, each.y)
            for each in curves.curves
        )
        return replace(
            curves,
            curves=tuple(
                replace(each, value=area) for each, area in zip(curves.curves, areas, strict=True)
            ),
        )

"""Ranking of cells before they are trained: by supernets, predictors and sizes."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype, load_search_space
from nasface.detection.latency import load_latency_table
from nasface.io.files import write_text
from nasface.io.strict_json import REASONS, to_json
from nasface.nas.choices import holds
from nasface.nas.zero_cost import PREDICTORS
from nasface.studies.folder import cells_of
from nasface.studies.markdown import markdown_table
from nasface.studies.phases import GENOTYPE_FILE, PREDICT_CELLS, PREDICTED, RANK_CELLS, RANKED
from nasface.studies.spec import SIZE_RANKERS, StudySpec
from nasface.studies.statistics import rank_correlation
from nasface.studies.study_run import StudyRun, runs_of

Cells = Any
"""The cells of a genotype as a key, equal for equal cells."""


def rank_phases(
    plan: StudySpec, out: Path, runs: Sequence[StudyRun]
) -> list[tuple[StudyRun, Mapping[str, str]]]:
    """Ask those who are to score cells: each supernet about those of its space, and the first run
    that has cells about all of them, by zero-cost predictors. Return the phase of each, with the
    file that it leaves."""
    cells = {name: load_genotype(path) for name, path in cells_of(out, runs).items()}
    asked: list[tuple[StudyRun, Mapping[str, str]]] = []
    for run in runs:
        if run.search is not None and not run.training and run.method in plan.rank:
            space = load_search_space(run.search.space, run.search.parameters)
            own = {name: cell for name, cell in cells.items() if holds(space, cell)}
            _ask(out, run, own, RANKED, RANK_CELLS)
            asked.append((run, {"rank": RANKED}))
    names = [name for name in plan.rank if name in PREDICTORS]
    if names and cells:
        first = next(run for run in runs if run.path in cells)
        _ask(out, first, cells, PREDICTED, PREDICT_CELLS, names)
        asked.append((first, {"predict": PREDICTED}))
    return asked


def _ask(
    out: Path,
    run: StudyRun,
    cells: Mapping[str, Genotype],
    result: str,
    file: str,
    names: Sequence[str] = (),
) -> None:
    """Write down for a run which genotypes it is to score, equal cells once, and by what. A result
    for others is put away."""
    folder = out / run.path
    distinct = {tuple(cell.cells.items()): name for name, cell in cells.items()}
    asked = {
        "cells": [
            os.path.relpath(out / name / GENOTYPE_FILE, folder) for name in distinct.values()
        ],
        "by": list(names),
    }
    text = to_json(asked)
    path = folder / file
    if not path.is_file() or path.read_text("utf-8") != text:
        (folder / result).unlink(missing_ok=True)
        write_text(path, text)


def ranks(plan: StudySpec, rows: Sequence[dict[str, Any]], out: Path) -> pd.DataFrame:
    """Return how well each score of cells that the plan names agrees with what they reached after
    training.

    A cell that several runs trained counts once, with the mean of their figures. Columns: what
    ranked them (``by``), the seed of a supernet, cells, rho with its 95 % interval over resampled
    cells and its p, and tau with its p, over all cells and (``random_``) over those drawn at random
    alone.
    """
    trained = _trained(plan, rows, out)
    found = []
    for name, seed, scores in _scores(plan, trained, out):
        row: dict[str, Any] = {"by": name, "seed": seed}
        drawn = [cells for cells in scores if trained[cells].is_random]
        for prefix, chosen in (("", list(scores)), ("random_", drawn)):
            figures = [trained[cells].mean(plan.metric) for cells in chosen]
            agreement = rank_correlation([scores[cells] for cells in chosen], figures)
            row |= {
                f"{prefix}cells": agreement.count,
                f"{prefix}rho": agreement.rho,
                f"{prefix}low_95": agreement.low,
                f"{prefix}high_95": agreement.high,
                f"{prefix}p_rho": agreement.p_rho,
                f"{prefix}tau": agreement.tau,
                f"{prefix}p_tau": agreement.p_tau,
            }
        found.append(row)
    return pd.DataFrame(found)


def rank_markdown(agreement: pd.DataFrame) -> str:
    """Return the table of :func:`ranks` as Markdown."""
    figures = ("rho", "95 %", "p", "tau")
    columns = ("by", "seed", "cells", *figures, "random cells", *figures)
    lines = []
    for row in agreement.to_dict("records"):
        cells = [str(row["by"]), "" if pd.isna(row["seed"]) else str(int(row["seed"]))]
        for prefix in ("", "random_"):
            values = [row[f"{prefix}{name}"] for name in ("rho", "p_rho", "tau")]
            rho, p, tau = ("" if pd.isna(each) else f"{each:.3f}" for each in values)
            low, high = row[f"{prefix}low_95"], row[f"{prefix}high_95"]
            interval = "" if pd.isna(low) else f"{low:.3f} to {high:.3f}"
            cells += [str(row[f"{prefix}cells"]), rho, interval, p, tau]
        lines.append(cells)
    return f"{_RANKS}\n\n{markdown_table(columns, lines)}"


_RANKS = (
    "## What ranks cells before they are trained\n\n"
    "Scores of supernets are minus the loss of the cell with inherited weights, normalisations "
    "taken anew. Spearman's rho with its 95 % interval over resampled cells, Kendall's tau."
)


@dataclass
class _TrainedCells:
    """The rows of all trainings of a genotype's cells."""

    genotype: Genotype
    rows: list[dict[str, Any]] = field(default_factory=list)
    is_random: bool = False

    def mean(self, column: str) -> float:
        """Return the mean of a column of the rows."""
        return float(np.mean([row[column] for row in self.rows]))


def _trained(
    plan: StudySpec, rows: Sequence[dict[str, Any]], out: Path
) -> dict[Cells, _TrainedCells]:
    by_run = {(row["label"], row["seed"], row.get("training", 0)): row for row in rows}
    found: dict[Cells, _TrainedCells] = {}
    for run in runs_of(plan):
        row = by_run.get((run.label, run.seed, run.training))
        path = out / run.path / GENOTYPE_FILE
        if row is not None and run.search is not None and path.is_file():
            genotype = load_genotype(path)
            own = found.setdefault(_cells_of(genotype), _TrainedCells(genotype))
            own.rows.append(row)
            own.is_random |= run.strategy == "random"
    return found


def _scores(
    plan: StudySpec, trained: Mapping[Cells, _TrainedCells], out: Path
) -> Iterator[tuple[str, int | None, dict[Cells, float]]]:
    """Yield what ranks, the seed of a supernet, and its scores."""
    for run in runs_of(plan):
        path = out / run.path / RANKED
        if run.method in plan.rank and path.is_file():
            yield run.label, run.seed, _by_cells(json.loads(path.read_text("utf-8")), path.parent)
    for name in plan.rank:
        if name in SIZE_RANKERS and trained:
            yield name, None, {cells: _size(plan, name, own) for cells, own in trained.items()}
    for run in runs_of(plan):
        path = out / run.path / PREDICTED
        if path.is_file():
            for name, values in json.loads(path.read_text("utf-8")).items():
                if name in plan.rank:
                    yield name, None, _by_cells(values, path.parent)


def _by_cells(values: Mapping[str, Any], folder: Path) -> dict[Cells, float]:
    """Return the scores by the cells of the genotypes that are named, relative to a folder."""
    return {
        _cells_of(load_genotype(folder / relative)): score
        for relative, score in values.items()
        if relative != REASONS and score is not None
    }


def _size(plan: StudySpec, name: str, own: _TrainedCells) -> float:
    """Return the multiply-adds, parameters or milliseconds of the cells' detector, these as the
    table of the plan's limit predicts them where there is one."""
    if name != "latency":
        return own.mean(name)
    if plan.limit is None:
        return own.mean("latency_ms")
    return load_latency_table(Path(plan.limit.table)).predict(own.genotype)


def _cells_of(genotype: Genotype) -> Cells:
    return tuple(genotype.cells.items())

"""Planned analyses: contrasts, and components of the variance of a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nasface.io.files import write_text
from nasface.metrics.marks import ImageMarks
from nasface.studies.markdown import markdown_table
from nasface.studies.resampling import bootstrap_difference, load_marks
from nasface.studies.spec import StudySpec
from nasface.studies.statistics import detectable_effect, holm, paired, runs_needed, spread_of
from nasface.studies.study_run import StudyRun, runs_of

CONTRASTS, SPREAD = "contrasts.csv", "spread.csv"


def planned_tables(plan: StudySpec, rows: Sequence[dict[str, Any]], out: Path) -> list[str]:
    """Write what the plan asks for; its texts for summary.md."""
    runs = pd.DataFrame(rows)
    texts = []
    for name, table, text in (
        (CONTRASTS, contrasts(plan, runs, out), _CONTRASTS),
        (SPREAD, spreads(plan, runs), _SPREAD),
    ):
        if len(table):
            write_text(out / name, table.to_csv(index=False, float_format="%.6g"))
            lines = [[_rounded(each) for each in row.values()] for row in table.to_dict("records")]
            texts.append(f"{text}\n\n{markdown_table(list(table.columns), lines)}")
    return texts


def means_by_seed(runs: pd.DataFrame, label: str, figure: str) -> pd.Series:
    """Return a figure of the row ``label`` by seed, the mean over the trainings of each."""
    own = runs[runs["label"] == label]
    return own.groupby("seed")[figure].mean().astype(float)


@dataclass(frozen=True)
class ContrastPower:
    """What a planned contrast can find: a difference of ``effect`` standard deviations of its
    seeds' differences, in four of five cases, by Holm's first step at .05."""

    contrast: str
    seeds: int
    effect: float


def contrast_powers(plan: StudySpec) -> list[ContrastPower]:
    """Return what each contrast of a plan can find with the plan's seeds, whatever the figure."""
    seeds: dict[str, set[int]] = {}
    for run in runs_of(plan):
        seeds.setdefault(run.label, set()).add(run.seed)
    found = []
    for first, second in plan.contrasts:
        pairs = len(seeds[first] & seeds[second])
        effect = detectable_effect(pairs, level=0.05 / len(plan.contrasts))
        found.append(ContrastPower(f"{first} - {second}", pairs, effect))
    return found


def contrasts(plan: StudySpec, runs: pd.DataFrame, out: Path | None = None) -> pd.DataFrame:
    """Return the differences that the plan names, over the seeds that both rows have: a row for
    each, with p by a paired t test, and by Holm's correction for their number.

    ``pairs_needed`` says how many seeds would find a difference of .02 in four of five cases, at
    the spread that was found. ``low_95`` and ``high_95`` are the interval by a bootstrap over seeds
    and images, where the runs in ``out`` have kept what it takes.
    """
    every = runs_of(plan) if plan.contrasts else []
    found = []
    for first, second in plan.contrasts:
        ours, theirs = (means_by_seed(runs, label, plan.metric) for label in (first, second))
        seeds = [seed for seed in ours.index if seed in theirs.index]
        if not seeds:
            continue
        test = paired(ours[seeds].tolist(), theirs[seeds].tolist())
        spread = float((ours[seeds] - theirs[seeds]).std())
        found.append(
            {
                "contrast": f"{first} - {second}",
                "seeds": len(seeds),
                "difference": test.difference.value,
                "half_95": test.difference.half,
                "p": test.p_t,
                **_resampled(every, out, (first, second), seeds),
                "pairs_needed": runs_needed(0.02, spread) if spread > 0 else None,
            }
        )
    table = pd.DataFrame(found)
    if len(table):
        # Contrasts that could not be tested yet count as tests, too.
        missing = [float("nan")] * (len(plan.contrasts) - len(table))
        table["p_holm"] = holm([*table["p"].tolist(), *missing])[: len(table)]
    return table


def _resampled(
    runs: Sequence[StudyRun], out: Path | None, labels: tuple[str, str], seeds: Sequence[int]
) -> dict[str, float | None]:
    """Return the interval of the bootstrap, empty where a run has no marks or other images."""
    empty: dict[str, float | None] = {"low_95": None, "high_95": None}
    if out is None:
        return empty
    rows: list[list[list[ImageMarks]]] = []
    for label in labels:
        rows.append([])
        for seed in seeds:
            own = [run for run in runs if (run.label, run.seed) == (label, seed)]
            found = [each for run in own if (each := load_marks(out / run.path)) is not None]
            if len(found) < len(own):
                return empty
            rows[-1].append(found)
    if len({len(marks.faces_I) for row in rows for own in row for marks in own}) > 1:
        return empty
    low, high = bootstrap_difference(*rows)
    return {"low_95": low, "high_95": high}


def spreads(plan: StudySpec, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the standard deviations between what seeds find and within, of its trainings: a row
    for each group of rows in ``spread``, such as those that differ in the number of trainings
    alone."""
    found = []
    cell = runs["cell"].fillna(0) if "cell" in runs else 0  # older runs have one cell each
    for labels in plan.spread:
        named = runs.assign(cell=cell)[runs["label"].isin(labels)]
        own = named.groupby(["label", "seed", "cell"])[plan.metric]
        groups = [group.astype(float).tolist() for _, group in own]
        if len(groups) < 2 or max(map(len, groups)) < 2:
            continue
        spread = spread_of(groups)
        found.append(
            {
                "rows": " + ".join(labels),
                "cells": spread.groups,
                "trainings": spread.count,
                "sd_cells": spread.between,
                "low_95": spread.low,
                "high_95": spread.high,
                "sd_trainings": spread.within,
            }
        )
    return pd.DataFrame(found)


_CONTRASTS = (
    "## Planned contrasts\n\n"
    "Mean difference over seeds with the half of its 95 % interval, paired t test, Holm's "
    "correction for all contrasts of the plan; pairs_needed: seeds that would find a difference of "
    ".02 in four of five cases. low_95 and high_95: interval by a bootstrap over seeds and images, "
    "which holds for other images too."
)
_SPREAD = (
    "## Spread of cells and of trainings\n\n"
    "Standard deviations by a mixed model (REML), with the 95 % interval of that between cells "
    "(profile likelihood)."
)


def _rounded(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

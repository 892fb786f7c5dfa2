"""The rows of a comparison as tables: one row a run, one row a method, one row a supernet."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype
from nasface.io.files import write_text
from nasface.io.strict_json import REASONS
from nasface.metrics.protocol import figure_label
from nasface.studies.folder import cells_of
from nasface.studies.markdown import markdown_table
from nasface.studies.planned import means_by_seed, planned_tables
from nasface.studies.ranking import rank_markdown, ranks
from nasface.studies.spec import StudySpec
from nasface.studies.stability import Stability, stability
from nasface.studies.statistics import mean_of, paired
from nasface.studies.study_run import runs_of

RUNS, SUMMARY, RANKS = "runs.csv", "summary.csv", "ranks.csv"
REPORT = "summary.md"
_STABILITY = [each.name for each in fields(Stability)]


def summarise(plan: StudySpec, rows: Sequence[dict[str, Any]], out: Path) -> pd.DataFrame:
    """Return a row for each method and node count, in the plan's order.

    ``figure`` is the mean with its 95 % interval over seeds; ``difference`` is to the first method
    over the seeds that both have, with p by paired t and Wilcoxon tests. ``regret`` is how far the
    mean lies below the best single run with the same node count. ``edit_distance``,
    ``shared_edges`` and ``same_cells`` are how much the cells of two seeds differ
    (:class:`~nasface.studies.stability.Stability`).
    """
    runs = pd.DataFrame(rows)
    labels = dict.fromkeys(run.label for run in runs_of(plan))
    present = [label for label in labels if label in set(runs["label"])]
    reference = means_by_seed(runs, present[0], plan.metric)
    found = _stability(plan, out)
    return pd.DataFrame(
        _summary_row(runs, label, plan.metric, reference if at else None, found.get(label))
        for at, label in enumerate(present)
    )


def _summary_row(
    runs: pd.DataFrame,
    label: str,
    figure: str,
    reference: pd.Series | None,
    stable: Stability | None,
) -> dict[str, Any]:
    own = runs[runs["label"] == label]
    values = means_by_seed(runs, label, figure)
    mean = mean_of(values.tolist())
    row: dict[str, Any] = {
        "method": label,
        "seeds": mean.count,
        figure: mean.value,
        "half_95": mean.half,
        "least": float(values.min()),
        "greatest": float(values.max()),
    }
    both = [] if reference is None else [seed for seed in values.index if seed in reference.index]
    if reference is not None and both:
        test = paired(values[both].tolist(), reference[both].tolist())
        row |= {
            "difference": test.difference.value,
            "difference_half_95": test.difference.half,
            "p_t": test.p_t,
            "p_wilcoxon": test.p_wilcoxon,
        }
    nodes = own["nodes"].iloc[0]
    peers = runs if pd.isna(nodes) else runs[runs["nodes"] == nodes]
    others = [name for name in ("ap", "easy", "medium", "hard") if name != figure]
    return {
        **row,
        "regret": float(peers[figure].max()) - mean.value,
        **(asdict(stable) if stable else dict.fromkeys(_STABILITY, math.nan)),
        **{name: own[name].astype(float).mean() for name in others},
        "search_seconds": own["search_seconds"].astype(float).mean(),
        "search_peak_mb": own["search_peak_mb"].astype(float).mean(),
        "train_seconds": own["train_seconds"].mean(),
        "train_peak_mb": own["train_peak_mb"].mean(),
        "parameters": own["parameters"].mean(),
        "macs": own["macs"].mean(),
        "latency_ms": own["latency_ms"].median(),
    }


def write_tables(plan: StudySpec, rows: Sequence[dict[str, Any]], out: Path, total: int) -> str:
    """Write runs.csv, summary.csv, summary.md and, where the plan asks for them, ranks.csv,
    contrasts.csv and spread.csv.

    Returns the text of summary.md.
    """
    write_text(out / RUNS, pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))
    summary = summarise(plan, rows, out)
    write_text(out / SUMMARY, summary.to_csv(index=False, float_format="%.6g"))
    parts = [_heading(plan, rows, total), _markdown(summary, plan.metric)]
    agreement = ranks(plan, rows, out)
    if len(agreement):
        write_text(out / RANKS, agreement.to_csv(index=False, float_format="%.6g"))
        parts.append(rank_markdown(agreement))
    parts += planned_tables(plan, rows, out)
    text = "\n".join(parts)
    write_text(out / REPORT, text)
    return text


def read_summary_rows(out: Path) -> list[dict[str, Any]]:
    """Return the rows of summary.csv as plain values; what one does not have is None, with the
    reason."""
    text = pd.read_csv(out / SUMMARY).to_json(orient="records", double_precision=15)
    rows: list[dict[str, Any]] = json.loads(text)
    for row in rows:
        empty = [name for name, value in row.items() if value is None]
        if empty:
            row[REASONS] = dict.fromkeys(empty, "nothing to take it from, see summary.md")
    return rows


def _heading(plan: StudySpec, rows: Sequence[dict[str, Any]], total: int) -> str:
    first = rows[0]
    dates = sorted({row["date"] for row in rows})
    epochs = sorted({row["search_epochs"] for row in rows if row["search_epochs"]})
    steps = sorted({row["train_steps"] for row in rows})
    devices = sorted({row["device"] for row in rows})
    what = "AP at IoU 0.5" if plan.metric == "ap" else f"WIDER FACE {plan.metric}"
    lines = [
        f"# {plan.name}\n",
        f"{len(rows)} of {total} runs, {len({row['seed'] for row in rows})} seeds; figure: {what} "
        f"on {first['images']} validation images, {first['inference']}, after the last step.",
        f"Search {_span(epochs)} epochs, training {_span(steps)} steps; {', '.join(devices)}, "
        f"{first['machine']}, {first['threads']} thread(s), torch {first['torch']}, nasface "
        f"{first['nasface']}, {dates[0]} to {dates[-1]}.",
        "Means over seeds with the half of their 95 % interval (Student's t); differences are to "
        "the first row over the same seeds. Multiply-adds and latency at 640 x 480; latency is the "
        "median, taken beside whatever else the machine did.\n",
    ]
    return "\n".join(lines)


def _span(values: Sequence[int]) -> str:
    return "no" if not values else "-".join(str(v) for v in dict.fromkeys((values[0], values[-1])))


def _markdown(summary: pd.DataFrame, figure: str) -> str:
    others = [name for name in ("ap", "easy", "medium", "hard") if name != figure]
    columns = [
        "method", "seeds", figure_label(figure), "difference", "p (t)", "p (Wilcoxon)", "regret",
        *(name.replace("_", " ") for name in _STABILITY), *map(figure_label, others), "search s",
        "search MB", "train s", "params M", "MACs G", "ms",
    ]  # fmt: skip
    lines = [
        [
            str(row["method"]),
            str(row["seeds"]),
            _with_half(row[figure], row["half_95"]),
            _with_half(row.get("difference"), row.get("difference_half_95"), "+"),
            _number(row.get("p_t"), 3),
            _number(row.get("p_wilcoxon"), 3),
            _number(row["regret"], 3),
            _number(row["edit_distance"], 1),
            *(_number(row[name], 3) for name in ("shared_edges", "same_cells", *others)),
            _number(row["search_seconds"], 0),
            _number(row["search_peak_mb"], 0),
            _number(row["train_seconds"], 0),
            _number(row["parameters"] / 1e6, 3),
            _number(row["macs"] / 1e9, 3),
            _number(row["latency_ms"], 1),
        ]
        for row in summary.to_dict("records")
    ]
    return markdown_table(columns, lines)


def _stability(plan: StudySpec, out: Path) -> dict[str, Stability | None]:
    """Return how much the cells of each label's seeds differ."""
    runs = runs_of(plan)
    genotypes: dict[str, list[Genotype]] = {run.label: [] for run in runs}
    cells = cells_of(out, runs)
    for run in runs:
        if run.path in cells:
            genotypes[run.label].append(load_genotype(cells[run.path]))
    return {label: stability(each) for label, each in genotypes.items()}


def _with_half(value: Any, half: Any, sign: str = "") -> str:
    if value is None or math.isnan(value):
        return ""
    shown = f"{value:{sign}.3f}"
    return shown if half is None or math.isnan(half) else f"{shown} ± {half:.3f}"


def _number(value: Any, digits: int) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"

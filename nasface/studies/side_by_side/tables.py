"""A comparison of models as a CSV file and as a page: sizes, times, where the time goes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nasface.io.files import write_text
from nasface.studies.markdown import markdown_table
from nasface.studies.side_by_side.measuring import SHARES
from nasface.studies.side_by_side.plan import ModelsPlan
from nasface.studies.side_by_side.running import ModelsOutcome
from nasface.studies.tables import REPORT

MODELS_TABLE = "models.csv"

_VERSIONS = ("torch", "onnxruntime", "nasface")


def write_models_tables(plan: ModelsPlan, outcome: ModelsOutcome, out: Path) -> str:
    """Write models.csv, with a row for each model, and summary.md, whose text is returned."""
    table = pd.DataFrame(outcome.rows)
    write_text(out / MODELS_TABLE, table.to_csv(index=False, float_format="%.6g"))
    text = "\n".join([_heading(plan, outcome), *_parts(plan, outcome)])
    write_text(out / REPORT, text)
    return text


def _heading(plan: ModelsPlan, outcome: ModelsOutcome) -> str:
    lines = [f"# {plan.name}\n"]
    if plan.source:
        lines.append(f"Reported: {plan.source}.\n")
    return "\n".join(lines)


def _parts(plan: ModelsPlan, outcome: ModelsOutcome) -> list[str]:
    rows = outcome.rows
    parts = [
        "## Size\n",
        f"One image of {plan.size}; multiply-adds of convolutions.\n",
        _sizes(rows),
    ]
    timed = [row for row in rows if any(row[f"{each}_ms"] for each in plan.used_engines)]
    if timed:
        parts += ["## Time\n", _measured_where(plan, outcome.environments), _times(plan, timed)]
    if outcome.skipped:
        parts.append("Left out, as the memory does not suffice:\n")
        parts += [f"- {name}, {engine}: {why}" for (name, engine), why in outcome.skipped.items()]
        parts.append("")
    profiled = [row for row in timed if row["other_share"] is not None]
    if profiled:
        parts += ["## Where the time goes\n", _PROFILE, _profiles(profiled)]
    return parts


_PROFILE = (
    "Shares of torch's pass on the CPU that convolutions take by their kernel, and all else: "
    "activations, sums, resampling, copies. Speed is multiply-adds over time.\n"
)


def _measured_where(plan: ModelsPlan, environments: Sequence[Mapping[str, str]]) -> str:
    """Return the machines, versions and dates; the same of all is said once."""

    def distinct(key: str) -> str:
        return " and ".join(dict.fromkeys(each[key] for each in environments if key in each))

    versions = [f"{name} {distinct(name)}" for name in _VERSIONS if distinct(name)]
    places = [distinct("processor"), *filter(None, [distinct("gpu")])]
    dates = sorted({each["started"][:10] for each in environments})
    clock = "processor time" if plan.threads == 1 else "the time that passed"
    return (
        f"One image of {plan.size}, up to boxes and scores, without suppression, normalisations "
        f"folded. {', '.join(places)}, {distinct('cores')} core(s), {plan.threads} thread(s), "
        f"{', '.join(versions)}, {' to '.join(dict.fromkeys((dates[0], dates[-1])))}. Medians of "
        f"{plan.rounds} rounds in which the models that stand beside each other take turns, of "
        f"{clock} on the CPU; ratios, to the model that a row stands beside, are medians of those "
        "within a round.\n"
    )


def _sizes(rows: Sequence[Mapping[str, Any]]) -> str:
    return markdown_table(
        ("model", "parameters, M", "reported", "multiply-adds, G", "reported", "reported AP"),
        [
            [
                _named(row),
                f"{row['parameters'] / 1e6:.3f}",
                _number(row["reported_parameters_m"], "g"),
                f"{row['macs'] / 1e9:.3f}",
                _number(row["reported_macs_g"], "g"),
                _number(row["reported_ap"], ".3f"),
            ]
            for row in rows
        ],
    )


def _times(plan: ModelsPlan, rows: Sequence[Mapping[str, Any]]) -> str:
    columns = ["model", "beside", "reported, ms", "ratio"]
    for engine in plan.used_engines:
        columns += [f"{engine}, ms", "ratio"]
    lines = []
    for row in rows:
        cells = [row["name"], row["beside"] or ""]
        for name in ("reported", *plan.used_engines):
            ms = row["reported_milliseconds" if name == "reported" else f"{name}_ms"]
            cells += [_number(ms, ".1f"), _number(row[f"{name}_ratio"], ".2f")]
        lines.append(cells)
    return markdown_table(columns, lines)


def _profiles(rows: Sequence[Mapping[str, Any]]) -> str:
    return markdown_table(
        ("model", *SHARES.values(), "10^9 multiply-adds a second"),
        [
            [
                row["name"],
                *(f"{row[f'{kind}_share']:.0%}" for kind in SHARES),
                f"{row['macs'] / row['torch_ms'] / 1e6:.1f}",
            ]
            for row in rows
        ],
    )


def _named(row: Mapping[str, Any]) -> str:
    """Return the row's name, and what of the zoo or which weights it is."""
    return row["name"] if row["name"] == row["model"] else f"{row['name']} (`{row['model']}`)"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"

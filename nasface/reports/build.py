"""From run folders to a report."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from nasface.arch.genotype import Genotype
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.drawing.draw import draw_genotype
from nasface.errors import ConfigError
from nasface.metrics.protocol import figure_label
from nasface.nas.coverage import Decision
from nasface.nas.verdict import judge
from nasface.plots.arch_history import plot_choice_history
from nasface.plots.curves import plot_metric
from nasface.plots.evaluation import plot_curves
from nasface.plots.figure import Plot
from nasface.progress import duration
from nasface.reports.found import found_pictures, found_result, found_tables
from nasface.reports.html import Report, ReportPicture, ReportTable, RunSection
from nasface.reports.reader import RunRecord, read_run
from nasface.reports.samples import sample_detections
from nasface.reports.themed import photograph_uri, picture_uri, themed_svg

COST_SIZE = (480, 640)
"""Height and width of the image at which a detector's multiply-adds are counted."""
_SPACE = "\N{NO-BREAK SPACE}"


def make_report(folders: Sequence[Path], title: str = "", samples: int = 6) -> Report:
    """Return the report of some runs, with so many sample detections of each sort.

    Raises:
        NasfaceError: for a folder that is of no run, or files in it that cannot be read.
    """
    if not folders:
        raise ConfigError("runs: expected at least one run folder")
    runs = [read_run(path, name) for path, name in zip(folders, _names(folders), strict=True)]
    return Report(
        title or ", ".join(run.name for run in runs),
        ReportTable("", ("run", "kind", "result", "time", "memory", "hardware"),
                    [_overview(run) for run in runs]),
        _charts(runs),
        _figures(runs),
        [_section(run, runs[:at], samples) for at, run in enumerate(runs)],
        _settings(runs),
    )  # fmt: skip


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the names of the folders, with as much of their path as tells them apart."""
    for depth in range(1, 20):
        names = ["/".join(path.resolve().parts[-depth:]) for path in folders]
        if len(set(names)) == len(names):
            return names
    raise ConfigError("runs: a folder is named twice; expected distinct ones")


def _overview(run: RunRecord) -> list[str]:
    seconds, memory = run.figure("seconds"), run.figure("peak_memory_mb")
    hardware = run.environment.get("gpu") or run.environment.get("processor", "not recorded")
    return [
        run.name,
        run.kind,
        _result(run),
        "" if seconds is None else duration(seconds).replace(" ", _SPACE),
        "" if memory is None else f"{memory:.0f}{_SPACE}MB",
        hardware,
    ]


def _result(run: RunRecord) -> str:
    if run.kind == "detection":
        return found_result(run)
    if run.kind == "search":
        candidates, unvisited = run.figure("candidates"), run.figure("unvisited")
        if candidates is None or unvisited is None:
            return "not finished"
        return f"{candidates - unvisited:.0f} of {candidates:.0f} candidates visited"
    if run.kind == "training":
        best = run.figure("best_ap")
        return f"AP {_number(best) or 'none'}" if run.summary else "not finished"
    whole = [row for row in run.table if not row.group]
    if not whole:
        return "not finished"
    return ", ".join(f"{row.label} {_number(row.value) or 'none'}" for row in whole)


def _charts(runs: Sequence[RunRecord]) -> dict[str, str]:
    """Plot the losses and average precision of all runs over each other, then the curves of
    evaluations."""
    charts: dict[str, str] = {}

    def add(title: str, draw: Callable[[], Plot]) -> None:
        charts[title] = themed_svg(draw, f"chart {len(charts)}")

    for column, title in (
        ("loss", "Training loss"),
        ("ap", "Average precision on the validation part"),
        ("weight_loss", "Search: loss of weight steps"),
        ("arch_loss", "Search: loss of architecture steps"),
        ("classification_loss", "Classification loss"),
        ("box_loss", "Box loss"),
        ("first_shot_loss", "Loss of the first shot"),
        ("lr", "Learning rate"),
    ):
        measured = {run.name: run.metrics for run in runs if column in run.metrics}
        if measured:
            add(title, partial(plot_metric, measured, column))
    found = {run.name: run.curves for run in runs if run.curves is not None}
    panels = {(each.x, each.y, one.name): None for each in found.values() for one in each.curves}
    for x, y, name in panels:
        part = {
            label: replace(each, curves=tuple(one for one in each.curves if one.name == name))
            for label, each in found.items()
            if (each.x, each.y) == (x, y)
        }
        part = {label: each for label, each in part.items() if each.curves}
        title = f"{y} over {x}: {name}".replace("_", " ").capitalize()
        add(title, partial(plot_curves, part))
    return charts


def _figures(runs: Sequence[RunRecord]) -> list[ReportTable]:
    """Return a table for each protocol and each of its groups, a column in it for each run."""
    found: dict[tuple[str, str], dict[str, dict[str, float | None]]] = {}
    for run in runs:
        for row in run.table:
            columns = found.setdefault((run.protocol, row.group), {})
            columns.setdefault(run.name, {})[row.name] = row.value
    return [
        _side_by_side(f"Protocol {protocol}{f', by {group}' if group else ''}", columns)
        for (protocol, group), columns in found.items()
    ]


def _side_by_side(title: str, values: Mapping[str, Mapping[str, float | None]]) -> ReportTable:
    keys = dict.fromkeys(key for each in values.values() for key in each)
    rows = [
        [figure_label(key), *(_number(each.get(key)) for each in values.values())] for key in keys
    ]
    return ReportTable(title, ("", *values), rows)


def _section(run: RunRecord, before: Sequence[RunRecord], samples: int) -> RunSection:
    protocol = run.evaluation.get("protocol") or run.summary.get("protocol")
    notes = [str(protocol)] if protocol else []
    tables: list[ReportTable] = []
    pictures: list[ReportPicture] = []
    if run.detector is not None:
        config, genotype = run.detector
        same = None if genotype is None else _same_cells(run, before)
        if same is not None:
            notes.append(f"The cells are those of {same.name}.")
        elif genotype is not None:
            pictures.append(_cells(genotype))
        tables.append(_cost(config, genotype))
    if run.decisions:
        tables.append(_decisions(run.decisions))
        notes += _verdict(run)
    if run.history is not None:
        found = run.history
        address = picture_uri(plot_choice_history(found.space, found.epochs, found.scores))
        pictures.append(ReportPicture("How the choices moved", address, wide=True))
    if run.environment:
        rows = [[key, value] for key, value in run.environment.items() if key != "command"]
        tables.append(ReportTable("Made with", ("", ""), rows))
    pictures_of: dict[str, list[ReportPicture]] = {}
    if run.kind == "detection":
        tables += found_tables(run)
        pictures_of = found_pictures(run, samples) if samples else {}
    elif run.kind == "evaluation" and samples:
        note, pictures_of = _samples(run, samples)
        notes.append(note)
    return RunSection(run.name, run.kind, notes, _commands(run), tables, pictures, pictures_of)


def _cost(config: DetectorConfig, genotype: Genotype | None) -> ReportTable:
    rows = [
        [row.part, f"{row.parameters:,}", f"{row.macs / 1e6:,.1f}"]
        for row in detector_cost(config, genotype, *COST_SIZE)
    ]
    title = f"Cost at {COST_SIZE[1]} x {COST_SIZE[0]}"
    return ReportTable(title, ("part", "parameters", "million multiply-adds"), rows)


def _samples(run: RunRecord, count: int) -> tuple[str, dict[str, list[ReportPicture]]]:
    """Return what is said of the sample detections of an evaluation, and their pictures."""
    shown = sample_detections(run, count)
    if shown is None:
        return "No sample detections: detections or images are not where they were.", {}
    note = (
        f"Sample detections have a score of at least {shown.score:.2f}, where precision and recall "
        "have their greatest harmonic mean; detections are orange, annotated faces blue."
    )
    sorts = {"Best": shown.best, "Worst": shown.worst, "Missed": shown.missed}
    return note, {
        word: [ReportPicture(text, photograph_uri(image)) for text, image in images]
        for word, images in sorts.items()
        if images
    }


def _same_cells(run: RunRecord, before: Sequence[RunRecord]) -> RunRecord | None:
    """Return the first of some runs whose detector has the cells of this one."""

    def cells(record: RunRecord) -> Any:
        genotype = record.detector[1] if record.detector else None
        return genotype.cells if genotype else None

    return next((each for each in before if cells(each) == cells(run)), None)


def _cells(genotype: Genotype) -> ReportPicture:
    address = picture_uri(draw_genotype(genotype))
    return ReportPicture(f"Cells of {genotype.name}", address, wide=True)


def _commands(run: RunRecord) -> dict[str, str]:
    """Return the command that made the run, and one that makes it again from its folder."""
    verb = {
        "search": "search",
        "training": "train",
        "evaluation": f"evaluate {run.protocol}",
        "detection": "detect INPUT ...",
    }[run.kind]
    again = f"nasface {verb} --config {run.path / 'config.yaml'} --out NEW_FOLDER"
    made = run.environment.get("command")
    return {**({"Made by": made} if made else {}), "To reproduce": again}


def _decisions(decisions: Sequence[Decision]) -> ReportTable:
    """Return the entropy and margin of each choice, and how often its candidates were visited."""
    rows = [
        [
            f"{row.cell}.{row.node}",
            str(row.candidates),
            f"{row.entropy:.3f}",
            f"{row.margin:.4f}",
            f"{row.least} to {row.most}",
        ]
        for row in decisions
    ]
    columns = ("choice", "candidates", "entropy", "margin", "visits of a candidate")
    return ReportTable("Choices (entropy: 1 is undecided)", columns, rows)


def _verdict(run: RunRecord) -> list[str]:
    """Say what the search is worth, and what would help."""
    history = run.history
    changed, epochs = (history.changed_late(), history.late_epochs) if history else (set(), 1)
    verdict = judge(run.decisions, changed, epochs)
    notes = [f"Choices {verdict}."]
    if verdict.advice:
        notes.append(f"Would help: {'; '.join(verdict.advice)}.")
    return notes


def _settings(runs: Sequence[RunRecord]) -> ReportTable:
    """Return a column for each run; rows in which runs of a kind differ are marked."""
    flat = [_flat(run.settings) for run in runs]
    rows, marked = [], set()
    for at, key in enumerate(dict.fromkeys(key for each in flat for key in each)):
        values = [each.get(key) for each in flat]
        rows.append([key, *("" if value is None else value for value in values)])
        if len({value for value in values if value is not None}) > 1:
            marked.add(at)
    return ReportTable(
        "Marked: runs differ" if marked else "", ("", *(run.name for run in runs)), rows,
        frozenset(marked),
    )  # fmt: skip


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = "none" if value in (None, "", {}) else str(value)
    return found


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3f}"

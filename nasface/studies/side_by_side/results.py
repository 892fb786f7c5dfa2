"""Measured results: a file for each group and engine, a row for each model."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nasface.errors import RunError
from nasface.io.files import read_text, write_text
from nasface.io.strict_json import to_json
from nasface.io.yaml import plain_values
from nasface.runs.environment import describe_environment
from nasface.studies.side_by_side.building import ModelSize, file_digest
from nasface.studies.side_by_side.measuring import SHARES, Measured
from nasface.studies.side_by_side.plan import ComparedModel, ModelsPlan

MEASURED = "measured"
"""Folder of the files of groups."""


@dataclass(frozen=True)
class GroupResult:
    """What a group took in an engine, with the machine and versions in ``environment``."""

    measured: Measured
    environment: Mapping[str, str]


def save_group(
    out: Path,
    plan: ModelsPlan,
    group: Sequence[ComparedModel],
    engine: str,
    measured: Measured,
) -> GroupResult:
    """Write what a group took into the folder of a comparison."""
    environment = describe_environment()
    if engine == "onnxruntime":
        environment["onnxruntime"] = version("onnxruntime")
    values = {
        "settings": _settings(plan, group, engine),
        **asdict(measured),
        "environment": environment,
    }
    path = _path(out, group, engine)
    path.parent.mkdir(exist_ok=True)
    write_text(path, to_json(values) + "\n")
    return GroupResult(measured, environment)


def load_group(
    out: Path, plan: ModelsPlan, group: Sequence[ComparedModel], engine: str
) -> GroupResult | None:
    """Return what a group took, if that was measured.

    Raises:
        RunError: if it was measured with other settings, or the file cannot be read.
    """
    path = _path(out, group, engine)
    if not path.is_file():
        return None
    try:
        values = json.loads(read_text(path, RunError, "a measurement"))
        measured = Measured(values["seconds"], values["shares"], values["skipped"])
        settings, environment = values["settings"], values["environment"]
        digests = ["digest" in each for each in settings["models"]]
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{path}: is no measurement of nasface compare; remove it") from None
    now = _settings(plan, group, engine)
    for each, has_digest in zip(now["models"], digests, strict=False):
        if not has_digest:  # measured before files were told apart
            each.pop("digest", None)
    if settings != now:
        raise RunError(
            f"{path}: was measured with other models, files or settings than the plan has now; "
            "choose another --out, or remove the file"
        )
    return GroupResult(measured, environment)


def rows_of(
    plan: ModelsPlan,
    sizes: Mapping[str, ModelSize],
    results: Mapping[tuple[str, str], GroupResult],
) -> list[dict[str, Any]]:
    """Return a row for each model in the plan's order; ``results`` by name and engine.

    What is not there is None: times that were not taken yet, figures that nobody reported. Ratios
    are to the model beside which a row stands.
    """
    models = {each.name: each for each in plan.models}
    rows = []
    for each in plan.models:
        reported = each.reported
        other = models[each.beside].reported if each.beside else None
        row: dict[str, Any] = {
            "name": each.name,
            "model": each.model,
            "beside": each.beside or None,
            "parameters": sizes[each.name].parameters,
            "macs": sizes[each.name].macs,
            **{f"reported_{name}": value for name, value in asdict(reported).items()},
            "reported_ratio": None
            if other is None or not reported.milliseconds or not other.milliseconds
            else reported.milliseconds / other.milliseconds,
        }
        for engine in plan.used_engines:
            result = results.get((each.name, engine))
            row |= _times(each, engine, None if result is None else result.measured)
        torch = results.get((each.name, "torch"))
        shares = {} if torch is None else torch.measured.shares.get(each.name, {})
        row |= {f"{kind}_share": shares.get(kind) for kind in SHARES}
        rows.append(row)
    return rows


def _times(model: ComparedModel, engine: str, measured: Measured | None) -> dict[str, Any]:
    ms = ratio = None
    seconds = {} if measured is None else measured.seconds
    if model.name in seconds:
        ms = 1e3 * statistics.median(seconds[model.name])
        if model.beside in seconds:
            pairs = zip(seconds[model.name], seconds[model.beside], strict=True)
            ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    return {f"{engine}_ms": ms, f"{engine}_ratio": ratio}


def _path(out: Path, group: Sequence[ComparedModel], engine: str) -> Path:
    return out / MEASURED / f"{group[0].name.replace(' ', '-')}-{engine}.json"


def _settings(plan: ModelsPlan, group: Sequence[ComparedModel], engine: str) -> dict[str, Any]:
    """Return all that the times of a group depend on, as plain values."""
    models = [plain_values(each) for each in group]
    for each, model in zip(models, group, strict=True):
        del each["reported"], each["series"]
        if digest := file_digest(model):
            each["digest"] = digest
    return {
        "models": models,
        "size": plan.size,
        "rounds": plan.rounds,
        "threads": plan.threads,
        "engine": engine,
    }

"""Limits of latency that are measured: cells as fast as a hand-made detector on this machine."""

from dataclasses import replace
from pathlib import Path

from nasface.arch.io import load_genotype, load_search_space
from nasface.deploy.latency import detector_latency, measure_latency
from nasface.detection.latency import LatencyTable, save_latency_table
from nasface.device import torch_threads
from nasface.errors import ConfigError
from nasface.io.files import write_text
from nasface.io.settings import load_config
from nasface.io.yaml import to_yaml
from nasface.nas.sampling import random_genotype
from nasface.progress import Progress
from nasface.studies.folder import check_folder, write_plan
from nasface.studies.limits import EqualLatency, LatencyLimit
from nasface.studies.spec import StudySpec
from nasface.studies.study_run import runs_of

TABLE, LATENCY_LIMIT = "latency.yaml", "limit.yaml"

_ENGINE = "torch"
_ROUNDS = 15
_EXAMPLES = 4
"""Random cells for the factor between a part by itself and within a network."""


def with_measured_limit(plan: StudySpec, out: Path, progress: Progress) -> StudySpec:
    """Return the plan with a limit in the place of its ``equal_latency``.

    The first time, all parts of the searched detectors and the detector of the row are measured, in
    the plan's threads, and kept in the folder of the comparison; later, what is there holds.

    Raises:
        ConfigError: for a plan whose methods search different spaces or detectors.
        RunError: for a folder that is something else's.
    """
    equal, path = plan.equal_latency, out / LATENCY_LIMIT
    if equal is None:
        return plan
    if not path.is_file():
        check_folder(out)
        with torch_threads(plan.threads):
            table, took = _measure(plan, equal, progress)
        write_plan(plan, out)
        save_latency_table(table, out / TABLE)
        limit = LatencyLimit(
            table=str((out / TABLE).resolve()),
            milliseconds=took * (1 + equal.within),
            at_least=took * (1 - equal.within),
        )
        write_text(path, to_yaml(limit))
        progress.note(f"{equal.row}: {took:.1f} ms")
    return replace(plan, equal_latency=None, limit=load_config(LatencyLimit, path))


def _measure(
    plan: StudySpec, equal: EqualLatency, progress: Progress
) -> tuple[LatencyTable, float]:
    """Return the table of the searched detectors, and the milliseconds of the detector of the
    row."""
    runs = runs_of(plan)
    searches = {(run.search.space, str(run.search.parameters)): run for run in runs if run.search}
    if len(searches) != 1 or len({run.train.detector for run in runs if run.search}) != 1:
        raise ConfigError("equal_latency: expected methods that search one space in one detector")
    (searched,) = searches.values()
    assert searched.search is not None
    space = load_search_space(searched.search.space, searched.search.parameters)
    table = measure_latency(
        searched.train.detector,
        space,
        engine=_ENGINE,
        rounds=_ROUNDS,
        examples=[random_genotype(space, 0, at) for at in range(_EXAMPLES)],
        progress=progress,
    )
    row = next(run.train for run in runs if run.method == equal.row)
    genotype = load_genotype(row.genotype) if row.genotype else None
    return table, detector_latency(row.detector, genotype, engine=_ENGINE, rounds=_ROUNDS)

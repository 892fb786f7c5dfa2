"""Measures what is missing of a comparison of models, group by group."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from filelock import FileLock, Timeout

from nasface.device import torch_threads
from nasface.errors import ConfigError, RunError
from nasface.io.files import write_text
from nasface.io.yaml import to_yaml
from nasface.optional import require
from nasface.progress import Progress, stop_on_interrupt
from nasface.studies.folder import PLAN, Rows
from nasface.studies.processes import LOCK
from nasface.studies.side_by_side.building import ModelSize, size_of
from nasface.studies.side_by_side.engines import MODEL_ENGINES
from nasface.studies.side_by_side.measuring import Measured, measure_group
from nasface.studies.side_by_side.plan import ModelsPlan, is_models_plan
from nasface.studies.side_by_side.results import GroupResult, load_group, rows_of, save_group


@dataclass(frozen=True)
class ModelsOutcome:
    """How a comparison of models stands.

    ``rows`` has one for each model; ``environments`` are those in which groups were measured, each
    once; ``skipped`` says of a model and an engine why it was left out.
    """

    rows: Rows
    environments: list[Mapping[str, str]]
    skipped: dict[tuple[str, str], str]
    stopped: bool = False


def compare_models(
    plan: ModelsPlan,
    out: Path,
    progress: Progress,
    report: Callable[[ModelsOutcome], object] = lambda _outcome: None,
) -> ModelsOutcome:
    """Count all models, and measure the groups that were not measured yet.

    Ctrl-C ends the measurement of a group, which a later call begins anew; what was measured stays.
    A model that the free memory does not suffice for is left out, and its group measured again the
    next time. ``report`` is told how things stand before the first group and after each.

    Raises:
        ConfigError: for an engine that is not there. RunError: if the folder is something else's,
            in use, or holds measurements of other settings. NasfaceError: for a model that cannot
            be built, read or run.
    """
    check_engines(plan)
    sizes = count_models(plan, progress)
    results: dict[tuple[str, str], GroupResult] = {}

    def outcome(stopped: bool = False) -> ModelsOutcome:
        distinct = {id(each): each for each in results.values()}.values()
        return ModelsOutcome(
            rows_of(plan, sizes, results),
            [each.environment for each in distinct],
            {
                (name, engine): each.measured.skipped[name]
                for (name, engine), each in results.items()
                if name in each.measured.skipped
            },
            stopped,
        )

    with _opened(plan, out), stop_on_interrupt() as stop, torch_threads(plan.threads):
        missing = []
        for group in plan.groups():
            for engine in plan.used_engines:
                result = load_group(out, plan, group, engine)
                if result is None or result.measured.skipped:
                    missing.append((group, engine))
                if result is not None:
                    results |= {(each.name, engine): result for each in group}

        def passed() -> None:
            progress.advance()
            if stop.asked:
                raise _StoppedError

        steps = sum(len(group) for group, _ in missing) * (plan.rounds + 2)
        progress.start(f"compare {plan.name}", steps)
        report(outcome())
        for group, engine in missing:
            try:
                measured = measure_group(group, sizes, engine, plan, passed)
            except _StoppedError:
                return outcome(stopped=True)
            result = save_group(out, plan, group, engine, measured)
            results |= {(each.name, engine): result for each in group}
            progress.note(f"{engine}: {_text(measured)}")
            report(outcome())
    return outcome()


def count_models(plan: ModelsPlan, progress: Progress) -> dict[str, ModelSize]:
    """Return parameters, multiply-adds and activations of all models, by name.

    Raises:
        NasfaceError: for a model that cannot be built or read.
    """
    progress.start(f"count {plan.name}", len(plan.models))
    sizes = {}
    for each in plan.models:
        sizes[each.name] = size_of(each, plan.shape)
        progress.advance()
    return sizes


def check_engines(plan: ModelsPlan) -> None:
    """Raise an error unless this machine has the engines of a plan.

    Raises:
        MissingPackageError: for a package that is not installed. ConfigError: without a GPU.
    """
    for name in plan.used_engines:
        entry = MODEL_ENGINES.find(name, "engines")
        require(entry.install, *entry.needs)
        if entry.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError(
                f"engines: {name}: torch {torch.__version__} finds no GPU; expected engines of "
                "the CPU, or none, for those that the machine has"
            )


class _StoppedError(Exception):
    """The user has pressed Ctrl-C."""


def _text(measured: Measured) -> str:
    """Return what was measured, on one line."""
    times = {name: f"{1e3 * median(seconds):.1f} ms" for name, seconds in measured.seconds.items()}
    return ", ".join(f"{name} {each}" for name, each in (times | measured.skipped).items())


@contextmanager
def _opened(plan: ModelsPlan, out: Path) -> Iterator[None]:
    """Keep the folder of a comparison, with its plan in it, from others for as long."""
    known = (out / PLAN).is_file()
    if not known and out.exists() and (not out.is_dir() or {*os.listdir(out)} - {LOCK}):
        raise RunError(f"{out}: is not the folder of a comparison; choose another --out")
    if known and not is_models_plan(out / PLAN):
        raise RunError(f"{out}: is the folder of a comparison of methods; choose another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / LOCK, timeout=0):
            write_text(out / PLAN, to_yaml(plan))
            yield
    except Timeout:
        raise RunError(
            f"{out}: another call measures there; two at a time would slow each other down"
        ) from None

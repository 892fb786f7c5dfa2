"""Tuning of training settings: trials drawn from ranges, of which ASHA of Ray Tune goes on with the
better ones (Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020)."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from nasface.engine.train import TrainConfig, run_training
from nasface.errors import ConfigError
from nasface.io.files import write_text
from nasface.io.yaml import parse_dataclass, parse_yaml, to_yaml
from nasface.optional import need
from nasface.progress import Progress, Silent
from nasface.registry import import_extensions
from nasface.runs.folder import read_metrics, resume_or_clear
from nasface.studies.folder import check_folder
from nasface.studies.ray_cluster import ray_cluster
from nasface.studies.trials import (
    TUNE_PLAN,
    Trial,
    TunePlan,
    trials_at_equal_latency,
    trials_of,
    write_tune_plan,
)

TRIALS, BEST = "trials.csv", "best.yaml"
_RESTARTS = 2
"""How often a trial whose process or node was lost goes on from its last checkpoint."""


@dataclass(frozen=True)
class TuneOutcome:
    """What :func:`run_tuning` left: a row for each trial that was evaluated, and the row of the
    best, which has the highest AP of those trained longest."""

    rows: list[dict[str, Any]]
    best: dict[str, Any] | None
    failed: dict[str, str]
    stopped: bool


def run_tuning(plan: TunePlan, out: Path, progress: Progress, address: str | None) -> TuneOutcome:
    """Train the trials that are left as ASHA has it; Ctrl-C stops, and a later call goes on.

    Writes into ``out``: the run folder of each trial, :data:`TRIALS` with a row for each, and the
    complete settings of the best one in :data:`BEST`.

    Raises:
        ConfigError: for a plan that cannot be used, or a cluster that cannot be reached. RunError:
            if the folder is something else's. SpecError: for a genotype that cannot be loaded.
            MissingPackageError: without the extra ``ray``.
    """
    equal, trials = plan.equal_latency, trials_of(plan)
    check_folder(out, TUNE_PLAN, "a tuning")
    # Ray tells of its experiment on the standard output, which is for results.
    with ray_cluster(address), redirect_stdout(io.StringIO()):
        # Nothing is measured or written before a cluster that cannot be reached.
        if equal is not None:
            trials = trials_at_equal_latency(plan, equal, out, progress)
        write_tune_plan(plan, out)
        progress.start(f"tune {plan.name}", len(trials))
        folders = [(out / "trials" / str(number)).resolve() for number in range(len(trials))]
        results = _tuner(plan, trials, folders, out, progress).fit()
    ended = {result.config["trial"] for result in results if result.metrics and not result.error}
    failed = {
        str(folders[result.config["trial"]]): str(result.error).strip().splitlines()[-1]
        for result in results
        if result.error
    }
    rows = [
        {"trial": number, **trial.row(), **figures}
        for number, trial in enumerate(trials)
        if (figures := _figures(folders[number], plan.first_epochs, trial.config.epochs))
    ]
    best = max(rows, key=lambda row: (row["epochs"], row["ap"]), default=None)
    if best is not None:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(best), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(out / TRIALS, text.getvalue())
        config = trials[best["trial"]].config
        write_text(out / BEST, to_yaml(replace(config, log=config.log[:-1])))
    return TuneOutcome(rows, best, failed, len(ended) + len(failed) < len(trials))


def _tuner(
    plan: TunePlan,
    trials: Sequence[Trial],
    folders: Sequence[Path],
    out: Path,
    progress: Progress,
) -> Any:
    """Return the engine: ASHA over all trials, which reports to ``progress``."""
    tune = need("ray.tune", "nasface[ray]")
    schedulers = need("ray.tune.schedulers", "nasface[ray]")

    # The base is known where Ray is imported, which is here.
    class Report(tune.Callback):  # type: ignore[misc, name-defined]
        def __reduce__(self) -> Any:
            return tune.Callback, ()  # Ray saves it, and nothing reads that

        def on_trial_result(
            self, iteration: int, trials: Any, trial: Any, result: Any, **_info: Any
        ) -> None:
            number = trial.config["trial"]
            progress.note(f"trial {number}: epoch {result['epoch']}, AP {result['ap']:.3f}")

        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_info: Any) -> None:
            progress.advance()

    tasks = [
        (to_yaml(trial.config), str(folder)) for trial, folder in zip(trials, folders, strict=True)
    ]
    return tune.Tuner(
        tune.with_resources(
            partial(_train, tasks, os.getcwd()), {"cpu": plan.threads, "gpu": plan.gpus}
        ),
        param_space={"trial": tune.grid_search(list(range(len(trials))))},
        tune_config=tune.TuneConfig(
            metric="ap",
            mode="max",
            scheduler=schedulers.ASHAScheduler(
                time_attr="epoch",
                max_t=max(trial.config.epochs for trial in trials),
                grace_period=plan.first_epochs,
                reduction_factor=plan.reduction,
            ),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str((out / "ray").resolve()),
            failure_config=tune.FailureConfig(max_failures=_RESTARTS),
            callbacks=[Report()],
            verbose=0,
        ),
    )


def _train(tasks: Sequence[tuple[str, str]], start_in: str, drawn: Mapping[str, Any]) -> None:
    """Run a trial, in a process of Ray: train from the last checkpoint on."""
    os.chdir(start_in)
    import_extensions()
    text, folder = tasks[drawn["trial"]]
    values = parse_yaml(text, folder, ConfigError)
    config = parse_dataclass(TrainConfig, values, folder, ConfigError)
    run_training(config, Path(folder), Silent(), resume=resume_or_clear(Path(folder)))


def _figures(folder: Path, every: int, epochs: int) -> dict[str, Any]:
    """Return the epochs up to the last evaluation of a trial, its AP, and the highest on the
    way."""
    found = [row["ap"] or 0.0 for row in read_metrics(folder / "metrics.jsonl") if "ap" in row]
    if not found:
        return {}
    return {"epochs": min(every * len(found), epochs), "ap": found[-1], "highest_ap": max(found)}

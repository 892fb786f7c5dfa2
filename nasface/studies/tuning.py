"""Tuning of training settings: trials drawn from ranges, of which ASHA of Ray Tune goes on with the
better ones (Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020)."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from nasface.arch.io import load_genotype
from nasface.engine.train import TrainConfig, run_training, train_config_of
from nasface.errors import ConfigError, RunError
from nasface.io.files import write_text
from nasface.io.settings import load_config, merged
from nasface.io.yaml import parse_dataclass, parse_yaml, plain_values, to_yaml
from nasface.kinds import Settings
from nasface.optional import need
from nasface.progress import Progress, Silent
from nasface.random_streams import Purpose, stream
from nasface.registry import import_extensions
from nasface.runs.folder import read_metrics, resume_or_clear
from nasface.studies.ray_cluster import ray_cluster

TUNE_PLAN, TRIALS, BEST = "plan.yaml", "trials.csv", "best.yaml"
_LOGGER = "ray_tune"
_RESTARTS = 2
"""How often a trial whose process or node was lost goes on from its last checkpoint."""


@dataclass(frozen=True, kw_only=True)
class TunePlan(Settings):
    """A tuning, as its file holds it.

    ``train`` are settings of ``nasface train`` that all trials share, ``ranges`` those that are
    tuned: setting, such as ``optimizer.lr`` -> list of values, or ``{low, high}`` with ``log:
    true`` where it is drawn by its logarithm; two whole numbers give whole numbers, ``high``
    included. So many ``trials`` are drawn; without a number, and with lists alone, each combination
    is one. All are trained for ``first_epochs``, the best of ``reduction`` for ``reduction`` times
    as long, and so on up to the ``epochs`` of ``train``. A trial computes in ``threads`` threads,
    on the share ``gpus`` of GPUs.
    """

    name: str
    ranges: dict[str, Any]
    data: str = ""
    train: dict[str, Any] = field(default_factory=dict)
    trials: int | None = None
    first_epochs: int = 1
    reduction: int = 3
    seed: int = 0
    threads: int = 1
    gpus: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ranges:
            raise ConfigError("ranges: is empty, expected a setting and its values, or more")
        if min(self.trials or 1, self.first_epochs, self.threads) < 1 or self.reduction < 2:
            raise ConfigError(
                f"trials {self.trials}, first_epochs {self.first_epochs}, threads {self.threads}, "
                f"reduction {self.reduction}: expected at least 1, 1, 1 and 2"
            )


@dataclass(frozen=True)
class TuneOutcome:
    """What :func:`run_tuning` left: a row for each trial that was evaluated, and the row of the
    best, which has the highest AP of those trained longest."""

    rows: list[dict[str, Any]]
    best: dict[str, Any] | None
    failed: dict[str, str]
    stopped: bool


def load_tune_plan(path: Path, data: str | None = None) -> TunePlan:
    """The plan of a file, with its data folder replaced where another is given.

    Raises:
        ConfigError: naming the file, the key and what would be accepted.
    """
    plan = load_config(TunePlan, path)
    return plan if data is None else replace(plan, data=data)


def trials_of(plan: TunePlan) -> list[tuple[dict[str, Any], TrainConfig]]:
    """The settings that each trial draws, and its training with them; the same for the same seed.

    Raises:
        ConfigError: for ranges and settings that cannot be used. MissingPackageError: without the
            extra ``ray``.
    """
    for name, values in plan.ranges.items():
        _check_range(name, values)
    if plan.trials is None:
        draws = [dict(zip(plan.ranges, each, strict=True)) for each in product(*_lists(plan))]
    else:
        random = stream(plan.seed, Purpose.TRIALS)
        domains = {name: _domain(values) for name, values in plan.ranges.items()}
        draws = [
            {name: each.sample(random_state=random) for name, each in domains.items()}
            for _ in range(plan.trials)
        ]
    return [(drawn, _trial_config(plan, drawn)) for drawn in draws]


def run_tuning(plan: TunePlan, out: Path, progress: Progress, address: str | None) -> TuneOutcome:
    """Train the trials that are left as ASHA has it; Ctrl-C stops, and a later call goes on.

    Writes into ``out``: the run folder of each trial, :data:`TRIALS` with a row for each, and the
    complete settings of the best one in :data:`BEST`.

    Raises:
        ConfigError: for a plan that cannot be used, or a cluster that cannot be reached. RunError:
            if the folder is something else's. SpecError: for a genotype that cannot be loaded.
            MissingPackageError: without the extra ``ray``.
    """
    trials = trials_of(plan)
    for genotype in dict.fromkeys(config.genotype for _, config in trials if config.genotype):
        load_genotype(genotype)  # here, not in each trial that would fail
    _open(plan, out)
    progress.start(f"tune {plan.name}", len(trials))
    folders = [(out / "trials" / str(number)).resolve() for number in range(len(trials))]
    # Ray tells of its experiment on the standard output, which is for results.
    with ray_cluster(address), redirect_stdout(io.StringIO()):
        results = _tuner(plan, trials, folders, out, progress).fit()
    ended = {result.config["trial"] for result in results if result.metrics and not result.error}
    failed = {
        str(folders[result.config["trial"]]): str(result.error).strip().splitlines()[-1]
        for result in results
        if result.error
    }
    rows = [
        {"trial": number, **drawn, **figures}
        for number, (drawn, _) in enumerate(trials)
        if (figures := _figures(folders[number], plan.first_epochs, trials[number][1].epochs))
    ]
    best = max(rows, key=lambda row: (row["epochs"], row["ap"]), default=None)
    if best is not None:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(best), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(out / TRIALS, text.getvalue())
        config = trials[best["trial"]][1]
        write_text(out / BEST, to_yaml(replace(config, log=config.log[:-1])))
    return TuneOutcome(rows, best, failed, len(ended) + len(failed) < len(trials))


def _tuner(
    plan: TunePlan,
    trials: Sequence[tuple[dict[str, Any], TrainConfig]],
    folders: Sequence[Path],
    out: Path,
    progress: Progress,
) -> Any:
    """The engine: ASHA over all trials, which reports to ``progress``."""
    tune = need("ray.tune", "nasface[ray]")
    schedulers = need("ray.tune.schedulers", "nasface[ray]")

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
        (to_yaml(config), str(folder)) for (_, config), folder in zip(trials, folders, strict=True)
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
                max_t=max(config.epochs for _, config in trials),
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
    """A trial, in a process of Ray: train from the last checkpoint on."""
    os.chdir(start_in)
    import_extensions()
    text, folder = tasks[drawn["trial"]]
    values = parse_yaml(text, folder, ConfigError)
    config = parse_dataclass(TrainConfig, values, folder, ConfigError)
    run_training(config, Path(folder), Silent(), resume=resume_or_clear(Path(folder)))


def _check_range(name: str, values: Any) -> None:
    """Raise ConfigError unless a range has one of the forms that a plan may have."""
    if isinstance(values, list) and values:
        return
    if isinstance(values, dict) and {"low", "high"} <= set(values) <= {"low", "high", "log"}:
        low, high = values["low"], values["high"]
        numbers = all(isinstance(each, int | float) for each in (low, high))
        if numbers and low < high and (low > 0 or not values.get("log")):
            return
    raise ConfigError(
        f"ranges: {name}: {values!r}, expected a list of values, or {{low: 0.001, high: 0.1, "
        "log: true}}"
    )


def _lists(plan: TunePlan) -> list[list[Any]]:
    for name, values in plan.ranges.items():
        if not isinstance(values, list):
            raise ConfigError(f"trials: is missing; {name} is no list, of which each could be one")
    return list(plan.ranges.values())


def _domain(values: Any) -> Any:
    """What Ray Tune draws a setting from."""
    tune = need("ray.tune", "nasface[ray]")
    if isinstance(values, list):
        return tune.choice(values)
    low, high, log = values["low"], values["high"], bool(values.get("log"))
    if isinstance(low, int) and isinstance(high, int):
        return tune.lograndint(low, high + 1) if log else tune.randint(low, high + 1)
    return tune.loguniform(low, high) if log else tune.uniform(low, high)


def _trial_config(plan: TunePlan, drawn: Mapping[str, Any]) -> TrainConfig:
    if "evaluate_every" in {*plan.train, *drawn}:
        raise ConfigError("train: evaluate_every: expected first_epochs of the plan in its place")
    values = merged({"seed": plan.seed}, plan.train)
    for name, value in drawn.items():
        for key in reversed(name.split(".")):
            value = {key: value}
        values = merged(values, value)
    if values.get("model"):
        values = merged(plain_values(train_config_of(str(values["model"]))), values)
    values["evaluate_every"] = plan.first_epochs
    if plan.data:
        values["data"] = plan.data
    config = parse_dataclass(TrainConfig, values, f"{plan.name}: train", ConfigError)
    return replace(config, log=(*config.log, _LOGGER))


def _figures(folder: Path, every: int, epochs: int) -> dict[str, Any]:
    """Epochs up to the last evaluation of a trial, its AP, and the highest on the way."""
    found = [row["ap"] or 0.0 for row in read_metrics(folder / "metrics.jsonl") if "ap" in row]
    if not found:
        return {}
    return {"epochs": min(every * len(found), epochs), "ap": found[-1], "highest_ap": max(found)}


def _open(plan: TunePlan, out: Path) -> None:
    if (
        out.exists()
        and not (out / TUNE_PLAN).is_file()
        and (not out.is_dir() or any(out.iterdir()))
    ):
        raise RunError(f"{out}: is not the folder of a tuning; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / TUNE_PLAN, to_yaml(plan))

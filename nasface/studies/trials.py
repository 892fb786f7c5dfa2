"""Trials of a tuning: its plan, and what is drawn from the ranges."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any

from nasface.arch.io import load_genotype
from nasface.deploy.alternating import Run
from nasface.deploy.latency import measure_interleaved, whole_detector
from nasface.detection.config import DetectorConfig
from nasface.device import torch_threads
from nasface.engine.train import TrainConfig, train_config_of
from nasface.errors import ConfigError, RunError
from nasface.io.files import write_text
from nasface.io.settings import load_config, merged
from nasface.io.yaml import parse_dataclass, parse_yaml, plain_values, to_yaml
from nasface.kinds import Settings
from nasface.optional import need
from nasface.progress import Progress
from nasface.random_streams import Purpose, stream
from nasface.studies.limits import EqualTime

TUNE_PLAN, DRAWN = "plan.yaml", "drawn.yaml"
RAY_LOGGER = "ray_tune"
_SIZE = (640, 480)
_ROUNDS = (3, 15)
"""Of a first look, which most draws do not pass, and of the figure."""
_FIRST_LOOK = 4
"""How many times as far from equal a draw may be in its first look."""
_DRAWS_A_TRIAL = 200
"""Draws after which ranges are given up."""


@dataclass(frozen=True, kw_only=True)
class TunePlan(Settings):
    """A tuning, as its file holds it.

    ``train`` are settings of ``nasface train`` that all trials share, ``ranges`` those that are
    tuned: setting, such as ``optimizer.lr`` -> list of values, or ``{low, high}`` with ``log:
    true`` where it is drawn by its logarithm; two whole numbers give whole numbers, ``high``
    included. So many ``trials`` are drawn; without a number, and with lists alone, each combination
    is one. With ``equal_latency`` those whose detector is not as fast as the one of ``train`` are
    left out. All are trained for ``first_epochs``, the best of ``reduction`` for ``reduction``
    times as long, and so on up to the ``epochs`` of ``train``. A trial computes in ``threads``
    threads, on the share ``gpus`` of GPUs.
    """

    name: str
    ranges: dict[str, Any]
    data: str = ""
    train: dict[str, Any] = field(default_factory=dict)
    trials: int | None = None
    equal_latency: EqualTime | None = None
    first_epochs: int = 1
    reduction: int = 3
    seed: int = 0
    threads: int = 1
    gpus: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ranges:
            raise ConfigError("ranges: is empty, expected a setting and its values, or more")
        trials = 1 if self.trials is None else self.trials
        if min(trials, self.first_epochs, self.threads) < 1 or self.reduction < 2:
            raise ConfigError(
                f"trials {self.trials}, first_epochs {self.first_epochs}, threads {self.threads}, "
                f"reduction {self.reduction}: expected at least 1, 1, 1 and 2"
            )


@dataclass(frozen=True)
class Trial:
    """Settings that were drawn, and the training with them.

    At equal latency also the ``time`` of its detector, as a multiple of that of the plan's own.
    """

    settings: dict[str, Any]
    config: TrainConfig
    time: float | None = None

    def row(self) -> dict[str, Any]:
        """Return what a table says of it beside what its training gives."""
        return self.settings if self.time is None else {**self.settings, "time": self.time}


def load_tune_plan(path: Path, data: str | None = None) -> TunePlan:
    """Return the plan of a file, with its data folder replaced where another is given.

    Raises:
        ConfigError: naming the file, the key and what would be accepted.
    """
    plan = load_config(TunePlan, path)
    return plan if data is None else replace(plan, data=data)


def trials_of(plan: TunePlan) -> list[Trial]:
    """Return the trials that a plan draws, the same for the same seed, whatever time they take.

    Raises:
        ConfigError: for ranges and settings that cannot be used. SpecError: for a genotype that
            cannot be loaded. MissingPackageError: without the extra ``ray``.
    """
    trials = list(islice(_drawn(plan), plan.trials))
    for genotype in dict.fromkeys(each.config.genotype for each in trials if each.config.genotype):
        load_genotype(genotype)  # here, not in each trial that would fail
    return trials


def write_tune_plan(plan: TunePlan, out: Path) -> None:
    """Write a plan into its folder, which is made."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / TUNE_PLAN, to_yaml(plan))


def trials_at_equal_latency(
    plan: TunePlan, equal: EqualTime, out: Path, progress: Progress
) -> list[Trial]:
    """Return different draws, or all combinations, that are as fast as the plan's own detector.

    The first time draws are measured, and those that are kept are written into the folder ``out``;
    later, what is there holds.

    Raises:
        ConfigError: for a plan that cannot be used, or if too few draws or no combination are as
            fast. RunError: if the folder holds draws of another plan.
    """
    path = out / DRAWN
    if path.is_file():
        _check_drawn_for(plan, out)
    else:
        with torch_threads(plan.threads):
            rows = [each.row() for each in _measured(plan, equal, progress)]
        write_tune_plan(plan, out)
        write_text(path, to_yaml(rows))
    found = []
    for row in parse_yaml(path.read_text(), str(path), ConfigError):
        time = row.pop("time")
        found.append(Trial(row, _trial_config(plan, row), time))
    return found


def _check_drawn_for(plan: TunePlan, out: Path) -> None:
    """Raise RunError if what decides the draws of a folder is not that of the plan."""
    drawn_for = load_tune_plan(out / TUNE_PLAN)
    for name in ("train", "ranges", "trials", "equal_latency", "seed"):
        if getattr(drawn_for, name) != getattr(plan, name):
            raise RunError(
                f"{out / DRAWN}: was drawn with other {name}; expected the plan beside it, or "
                "another --out"
            )


def _measured(plan: TunePlan, equal: EqualTime, progress: Progress) -> list[Trial]:
    own, wanted = _whole(_trial_config(plan, {}), equal), plan.trials
    draws = prod(map(len, _lists(plan))) if wanted is None else _DRAWS_A_TRIAL * wanted
    found: list[Trial] = []
    times: dict[tuple[DetectorConfig, str], float | None] = {}
    # How many draws it takes is not known.
    progress.start(f"draw {plan.name}", draws if wanted is None else 0)
    for trial in islice(_drawn(plan), draws):
        progress.advance({"as fast": len(found)})
        if any(trial.settings == each.settings for each in found):
            continue  # lists give the same again, whose training would be the same, too
        detector = trial.config.detector, trial.config.genotype
        if detector not in times:
            times[detector] = _time(_whole(trial.config, equal), own, equal.within)
        time = times[detector]
        if time is not None:
            found.append(replace(trial, time=time))
        if len(found) == wanted:
            return found
    if wanted is None and found:
        return found
    raise ConfigError(
        f"equal_latency: within {equal.within}: {len(found)} different ones of {draws} draws are "
        f"as fast as the detector of train, expected {wanted or 'at least 1'}; widen it or the "
        f"ranges{', or lower trials' if wanted else ''}"
    )


def _whole(config: TrainConfig, equal: EqualTime) -> Run:
    genotype = load_genotype(config.genotype) if config.genotype else None
    return whole_detector(config.detector, genotype, _SIZE, equal.engine)


def _time(run: Run, own: Run, within: float) -> float | None:
    """Return the time of a detector as a multiple of another's; None unless they are equal."""
    first, last = _ROUNDS
    for rounds, allowed in ((first, _FIRST_LOOK * within), (last, within)):
        took, by_own = measure_interleaved([run, own], rounds)
        if abs(took / by_own - 1) > allowed:
            return None
    return took / by_own


def _drawn(plan: TunePlan) -> Iterator[Trial]:
    """Yield what is drawn from the ranges, without end, or each combination of lists."""
    for name, values in plan.ranges.items():
        _check_range(name, values)
    if plan.trials is None:
        for each in product(*_lists(plan)):
            settings = dict(zip(plan.ranges, each, strict=True))
            yield Trial(settings, _trial_config(plan, settings))
        return
    random = stream(plan.seed, Purpose.TRIALS)
    domains = {name: _domain(values) for name, values in plan.ranges.items()}
    while True:
        settings = {name: each.sample(random_state=random) for name, each in domains.items()}
        yield Trial(settings, _trial_config(plan, settings))


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
    """Return what Ray Tune draws a setting from."""
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
    if "epochs" in drawn:
        raise ConfigError("ranges: epochs: expected in train; the best trials get all of them")
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
    return replace(config, log=(*config.log, RAY_LOGGER))

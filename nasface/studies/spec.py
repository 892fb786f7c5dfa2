"""Plans of comparisons: methods, node counts and seeds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from nasface.engine.search import SearchConfig
from nasface.engine.train import TrainConfig
from nasface.errors import ConfigError, did_you_mean, one_of
from nasface.io.former_names import with_current_names
from nasface.io.settings import load_config
from nasface.kinds import Settings
from nasface.nas.policies import POLICIES
from nasface.nas.selection import SELECTIONS
from nasface.nas.zero_cost import PREDICTORS
from nasface.studies.halving import TRAINED
from nasface.studies.limits import EqualLatency, LatencyLimit

Figure = Literal["ap", "easy", "medium", "hard"]

_FORM = (
    "a plan has name, seeds [0, 1, ...] and methods [{name, strategy, and, where they differ, "
    "nodes, seeds, candidates, search, train}], and may have metric, data, search, train, "
    "candidates, threads, rank; "
    "`nasface compare --help` shows one"
)

STRATEGY_SETTINGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "argmax": {"policy": "argmax"},
        "argmax-cat-all": {"policy": "argmax", "parameters": {"rule": "cat-all"}},
        "gumbel": {"policy": "gumbel"},
        "pc-darts": {"policy": "softmax", "parameters": {"rule": "cat-all"}},
        "darts": {
            "policy": "softmax",
            "parameters": {"rule": "cat-all", "partial": 1, "edge_normalisation": False},
        },
        "random": {},
        **dict.fromkeys(TRAINED, MappingProxyType({})),
    }
)
"""What each way of searching sets, before the settings of plan and method."""

SIZE_RANKERS = ("macs", "parameters", "latency")
"""What ranks cells besides supernets and predictors."""


@dataclass(frozen=True, kw_only=True)
class MethodSpec(Settings):
    """A row of the comparison, or one for each of ``nodes``.

    ``strategy`` is a way of searching (:data:`STRATEGY_SETTINGS`), the name of a policy, ``random``
    for a cell drawn at random, ``random-search``, ``evolution`` and ``swaps`` for the best of
    ``candidates`` cells by the loss of a supernet that was trained on uniform paths
    (:mod:`nasface.nas.selection`), ``random-trained`` for the best of as many random cells that are
    trained, ``halving`` for what is left of them in ever longer trainings
    (:mod:`nasface.studies.halving`), or ``fixed`` for what ``train`` names. ``seeds`` and
    ``candidates``, where given, stand in the place of the plan's. What a seed finds is trained
    ``trainings`` times, each with a seed of its own, which tells the spread of cells from that of
    trainings. ``random`` draws so many ``cells`` for each seed, whose mean is then that of the
    seed.
    """

    name: str
    strategy: str
    nodes: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    candidates: int | None = None
    trainings: int = 1
    cells: int = 1
    search: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StudySpec(Settings):
    """A comparison, as its file holds it.

    ``search`` and ``train`` are settings of ``nasface search`` and ``nasface train`` that all
    methods share; a method's own go over them, and the seed of a run over all. The first method is
    what the others are tested against. ``rank`` names what is to tell the order of all cells that
    the plan trains: methods, whose supernets score those of their space, zero-cost predictors
    (:data:`nasface.nas.zero_cost.PREDICTORS`) and sizes (:data:`SIZE_RANKERS`). A score is the loss
    on ``score_images`` images, or the next multiple of the batch. ``limit`` holds for the cells of
    ``random`` and of the selections by scores; ``equal_latency`` stands for one that is measured.
    Each run computes in ``threads`` threads.
    ``contrasts`` are pairs of rows, named by their labels, whose difference is tested, with Holm's
    correction for their number: what the comparison is for, written down before it runs. ``spread``
    are groups of rows, and for each the variance is divided between what seeds find and how it is
    trained.
    """

    name: str
    methods: tuple[MethodSpec, ...]
    seeds: tuple[int, ...]
    metric: Figure = "ap"
    data: str = ""
    search: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    candidates: int = 16
    score_images: int = 64
    limit: LatencyLimit | None = None
    equal_latency: EqualLatency | None = None
    threads: int = 1
    rank: tuple[str, ...] = ()
    contrasts: tuple[tuple[str, str], ...] = ()
    spread: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for what, values in (("methods", [m.name for m in self.methods]), ("seeds", self.seeds)):
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"{what}: {list(values)}, expected one or more, all different")
        if min(self.candidates, self.threads, self.score_images) < 1:
            raise ConfigError(
                f"candidates {self.candidates}, threads {self.threads}, score_images "
                f"{self.score_images}: expected 1 or more"
            )
        for method in self.methods:
            _check_method(method)
        searched = {m.name for m in self.methods if m.strategy not in ("fixed", "random", *TRAINED)}
        rankers = (*sorted(searched), *PREDICTORS, *SIZE_RANKERS)
        for name in self.rank:
            if name not in rankers:
                raise ConfigError(
                    f"rank: {name!r}, expected methods that search, predictors or sizes: "
                    f"{', '.join(rankers)}{did_you_mean(name, rankers)}"
                )
        fixed = [m.name for m in self.methods if m.strategy == "fixed"]
        if self.equal_latency is not None and (self.limit or self.equal_latency.row not in fixed):
            raise ConfigError(
                f"equal_latency: row {self.equal_latency.row!r}, expected one with strategy fixed "
                f"({', '.join(fixed)}), and no limit beside it"
            )
        labels = {row_label(m, nodes) for m in self.methods for nodes in m.nodes or (None,)}
        for what, named in (
            ("contrasts", [label for pair in self.contrasts for label in pair]),
            ("spread", [label for group in self.spread for label in group]),
        ):
            for label in named:
                if label not in labels:
                    raise ConfigError(
                        f"{what}: {label!r} is no row; expected {', '.join(sorted(labels))}"
                        f"{did_you_mean(label, sorted(labels))}"
                    )


def _check_method(method: MethodSpec) -> None:
    """Raise ConfigError for what no method can have, whatever the plan."""
    if not re.fullmatch(r"[\w.+ -]+", method.name):
        raise ConfigError(
            f"methods: name {method.name!r}, expected letters, digits, space and . + - _"
        )
    if method.candidates is not None and method.candidates < 1:
        raise ConfigError(
            f"methods: {method.name}: candidates {method.candidates}, expected 1 or more"
        )
    if method.trainings < 1:
        raise ConfigError(
            f"methods: {method.name}: trainings {method.trainings}, expected 1 or more"
        )
    if method.cells < 1 or (method.cells > 1 and method.strategy != "random"):
        raise ConfigError(
            f"methods: {method.name}: cells {method.cells}, expected 1, or more with "
            "strategy random"
        )
    known = dict.fromkeys((*STRATEGY_SETTINGS, *SELECTIONS, *POLICIES, "fixed"))
    if method.strategy not in known:
        raise ConfigError(
            f"methods: {method.name}: unknown strategy {method.strategy!r}; expected "
            f"{one_of(method.strategy, known)}"
        )
    if method.strategy == "fixed" and (method.nodes or method.search):
        raise ConfigError(
            f"methods: {method.name}: nodes and search have no meaning for strategy fixed"
        )


def load_plan(path: Path, data: str | None = None) -> StudySpec:
    """Return the plan of a file, with its data folder replaced where another is given.

    Raises:
        ConfigError: naming the file, the key and what would be accepted.
    """
    try:
        plan = load_config(StudySpec, path)
    except ConfigError as error:
        raise ConfigError(f"{error}; {_FORM}") from None
    methods = tuple(replace(each, **_current(each)) for each in plan.methods)
    plan = replace(plan, methods=methods, **_current(plan))
    return plan if data is None else replace(plan, data=data)


def _current(plan: StudySpec | MethodSpec) -> dict[str, Any]:
    """Return a run's settings of search and training, by the names that they have now."""
    return {
        "search": with_current_names(SearchConfig, plan.search)[0],
        "train": with_current_names(TrainConfig, plan.train)[0],
    }


def row_label(method: MethodSpec, nodes: int | None) -> str:
    """Return the name of a row."""
    return method.name if nodes is None else f"{method.name} {nodes}"
